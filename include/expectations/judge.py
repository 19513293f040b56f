"""Asks Great Expectations which rows break which rules.

One ephemeral context per run of the stage: nothing is written, nothing is sent, no progress bars, no documents. Great
Expectations quotes values in its results and exceptions, so only rule names, counts and row numbers leave this module
(DESIGN, rule 8).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import great_expectations as gx
import numpy as np
import pandas as pd
from great_expectations.data_context.types.base import (
    DataContextConfig,
    InMemoryStoreBackendDefaults,
    ProgressBarsConfig,
)

from include.errors import RollcallError
from include.expectations.rules import Rule

#: Names rows towards Great Expectations; no table of the roster has a column of this name.
ROW = "row_number"


@dataclass(frozen=True)
class Broken:
    """A rule that some rows break.

    :param rows: their numbers, where the rule is critical; None where only the count is asked for.
    """

    rule: Rule
    count: int
    rows: np.ndarray | None


class Judge:
    """Runs suites over data frames."""

    def __init__(self) -> None:
        context = gx.get_context(
            mode="ephemeral",
            project_config=DataContextConfig(
                # without this a folder for documents is made in the temporary directory
                store_backend_defaults=InMemoryStoreBackendDefaults(init_temp_docs_sites=False),
                progress_bars=ProgressBarsConfig(globally=False),
                analytics_enabled=False,
            ),
        )
        asset = context.data_sources.add_pandas("landed").add_dataframe_asset("rows")
        self._batches = asset.add_batch_definition_whole_dataframe("whole")

    def broken(self, collection: str, rows: pd.DataFrame, rules: list[Rule]) -> list[Broken]:
        """The rules that are broken, in the order of `rules`.

        First everything is counted; row numbers are asked for afterwards and only where a critical rule is broken,
        since listing what fails costs far more than counting it (300,000 missing e-mails: ten seconds).

        :raises RollcallError: `rule_not_judged`, naming the rule, when an expectation itself fails.
        """
        if rows.empty or not rules:
            return []
        batch = self._batches.get_batch({"dataframe": rows})
        counts = {name: result["unexpected_count"] for name, result in _run(batch, collection, rules, "BASIC").items()}
        broken = [rule for rule in rules if counts[rule.name]]
        to_list: dict[str, Any] = {"result_format": "COMPLETE", "unexpected_index_column_names": [ROW]}
        listed = _run(batch, collection, [rule for rule in broken if rule.severity == "critical"], to_list)
        return [
            Broken(rule, counts[rule.name], _row_numbers(listed[rule.name]) if rule.name in listed else None)
            for rule in broken
        ]


def _run(
    batch: Any, collection: str, rules: list[Rule], result_format: str | dict[str, Any]
) -> dict[str, dict[str, Any]]:
    """Rule name → Great Expectations' result; COMPLETE and BASIC are its result formats."""
    if not rules:
        return {}
    suite = gx.ExpectationSuite(name=collection)
    for rule in rules:
        expectation = rule.expectation.copy(update={"meta": {"rule": rule.name}, "severity": rule.severity})
        suite.add_expectation(expectation)
    results = batch.validate(suite, result_format=result_format).results
    made = {result.expectation_config.meta["rule"]: result.result for result in results}
    for name, result in made.items():
        if "unexpected_count" not in result:
            raise RollcallError(
                "rule_not_judged",
                f"The rule {name} of {collection} could not be judged: Great Expectations raised an exception.",
                remedy="Nothing was published. Report this line; the landed pull is kept and can be judged again.",
            )
    return made


def _row_numbers(result: dict[str, Any]) -> np.ndarray:
    return np.array([entry[ROW] for entry in result["unexpected_index_list"]], dtype=np.int64)
