"""Asks Great Expectations which rows break which rules.

One ephemeral context per run of the stage: nothing is written, nothing is sent, no progress bars, no documents. Great
Expectations quotes values in its results and exceptions, so only rule names, counts and row numbers leave this module
(rule 8).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import great_expectations as gx
import great_expectations.expectations as gxe
import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from great_expectations.data_context.types.base import (
    DataContextConfig,
    InMemoryStoreBackendDefaults,
    ProgressBarsConfig,
)

from rollcall.errors import RollcallError
from rollcall.expectations.rules import Rule, Share
from rollcall.expectations.severities import Severities

# Rows that say the same, judged once.
#
# Rules look at columns of few different values: a role, a date of the school year, whether something is there. Six
# hundred thousand enrollments say some dozens of different things in them, and a rule that decides row by row decides
# the same about equal rows. So Great Expectations is shown each different combination once, and what it says counts for
# all the rows that have it.

#: Columns of more different values than this, and than this share of the rows, are judged row by row.
_FEW = 1_000
_FEW_OF = 0.02


@dataclass(frozen=True)
class Combinations:
    """Rows by what they say.

    :param different: each different row once.
    :param of_row: per row, which of those it is.
    :param counts: per different row, how many rows are so.
    """

    different: pa.Table
    of_row: npt.NDArray[np.int64]
    counts: npt.NDArray[np.int64]


def as_asked(rows: pa.Table, rules: Sequence[Rule]) -> pa.Table:
    """The columns the rules look at; of one that is only asked whether it is there, just that."""
    asked = {name: rows.column(name) for rule in rules for name in rule.columns()}
    more = {name for rule in rules for name in rule.columns() if not _asks_presence(rule)}
    for name in asked.keys() - more:
        asked[name] = pc.if_else(pc.is_valid(asked[name]), "said", pa.scalar(None, pa.string()))
    return pa.table(asked)


def split(rows: pa.Table, rules: Sequence[Rule]) -> tuple[list[Rule], list[Rule]]:
    """The rules about columns of few different values, and the others."""
    most = max(_FEW, int(_FEW_OF * rows.num_rows))
    many = {name for name in rows.column_names if _different(rows.column(name)) > most}
    few = [rule for rule in rules if not many & set(rule.columns())]
    return few, [rule for rule in rules if many & set(rule.columns())]


def combinations(rows: pa.Table) -> Combinations:
    """What rows say, each once, in the order in which it first comes."""
    code = np.zeros(rows.num_rows, dtype=np.int64)
    for column in rows.columns:
        of_column, size = _codes(column)
        _, code = np.unique(code * size + of_column, return_inverse=True)  # dense again, so that nothing overflows
    _, first, of_row, counts = np.unique(code, return_index=True, return_inverse=True, return_counts=True)
    order = np.argsort(first)
    place = np.empty_like(order)
    place[order] = np.arange(len(order))
    return Combinations(rows.take(pa.array(first[order])), place[of_row], counts[order])


def _codes(column: pa.ChunkedArray) -> tuple[npt.NDArray[np.int64], int]:
    """A number per value, below a size; nulls have one too."""
    encoded = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    if not pa.types.is_dictionary(encoded.type):
        encoded = pc.dictionary_encode(encoded)
    size = len(encoded.dictionary)
    return np.asarray(pc.fill_null(encoded.indices, size).to_numpy(), dtype=np.int64), size + 1


def _different(column: pa.ChunkedArray) -> int:
    if pa.types.is_dictionary(column.type):
        return len(column.combine_chunks().dictionary)
    return int(pc.count_distinct(column).as_py())


def _asks_presence(rule: Rule) -> bool:
    return isinstance(rule.expectation, gxe.ExpectColumnValuesToNotBeNull) and not rule.expectation.row_condition


#: Names rows towards Great Expectations; no table of the roster has a column of this name.
ROW = "row_number"


#: Great Expectations' result format that names the rows.
_LISTED: dict[str, Any] = {"result_format": "COMPLETE", "unexpected_index_column_names": [ROW]}


@dataclass(frozen=True)
class BrokenRule:
    """A rule that some rows break, as grave as it is in this district.

    :param rows: their numbers, where the rule is critical; None where only the count is asked for.
    """

    rule: Rule
    count: int
    rows: np.ndarray | None


class Judge:
    """Runs suites over data frames.

    :param severities: what the district has otherwise than the suites.
    """

    def __init__(self, severities: Severities) -> None:
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
        self.severities = severities

    def broken(self, collection: str, rows: pa.Table, rules: list[Rule]) -> list[BrokenRule]:
        """The rules that are broken, in the order of `rules`.

        :param rows: the columns the rules look at.
        :raises RollcallError: `rule_not_judged`, naming the rule, when an expectation itself fails.
        """
        if not rows.num_rows or not rules:
            return []
        rules = [self.severities.of(collection, rule) for rule in rules]
        rows = as_asked(rows, rules)
        few, many = split(rows, rules)
        found = {**self._by_combination(collection, rows, few), **self._row_by_row(collection, rows, many)}
        return [found[id(rule)] for rule in rules if id(rule) in found]

    def _by_combination(self, collection: str, rows: pa.Table, rules: list[Rule]) -> dict[int, BrokenRule]:
        """The broken rules among those about columns of few different values.

        Listing costs twice as much as counting, so that is done only for what is broken.
        """
        if not rules:
            return {}
        made = combinations(rows.select(list(dict.fromkeys(name for rule in rules for name in rule.columns()))))
        batch = self._batch(made.different)
        broken = [rule for rule, count in _counted(batch, collection, rules) if count]
        found = {}
        for rule, result in zip(broken, _run(batch, collection, broken, _LISTED), strict=True):
            failing = _row_numbers(result)
            count = int(made.counts[failing].sum())
            is_listed = rule.severity == "critical"
            found[id(rule)] = BrokenRule(
                rule, count, np.flatnonzero(np.isin(made.of_row, failing)) if is_listed else None
            )
        return found

    def _row_by_row(self, collection: str, rows: pa.Table, rules: list[Rule]) -> dict[int, BrokenRule]:
        """The broken rules among the others.

        First everything is counted; row numbers are asked for afterwards and only where a critical rule is broken,
        since listing what fails costs far more than counting it (300,000 missing e-mails: ten seconds).
        """
        if not rules:
            return {}
        batch = self._batch(rows.select(list(dict.fromkeys(name for rule in rules for name in rule.columns()))))
        broken = [(rule, count) for rule, count in _counted(batch, collection, rules) if count]
        critical = [rule for rule, _ in broken if rule.severity == "critical"]
        listed = iter(_run(batch, collection, critical, _LISTED))
        return {
            id(rule): BrokenRule(rule, count, _row_numbers(next(listed)) if rule.severity == "critical" else None)
            for rule, count in broken
        }

    def _batch(self, rows: pa.Table) -> Any:
        frame = rows.append_column(ROW, pa.array(np.arange(rows.num_rows))).to_pandas(date_as_object=False)
        return self._batches.get_batch({"dataframe": frame})

    def exceeded(
        self, collection: str, rows: pd.DataFrame, shares: list[tuple[Share, float]]
    ) -> list[tuple[Share, int]]:
        """The shares of rows without a fact that are larger than they may be, each with how many rows that is.

        :param shares: each with the largest share allowed, between 0 and 1.
        :raises RollcallError: as :meth:`broken`.
        """
        if rows.empty or not shares:
            return []
        rules = [
            Rule(
                share.name,
                share.severity,
                share.field,
                share.reason,
                gxe.ExpectColumnValuesToBeInSet(column=share.fact, value_set=[True], mostly=max(0.0, 1.0 - allowed)),
            )
            for share, allowed in shares
        ]
        batch = self._batches.get_batch({"dataframe": rows})
        results = _run(batch, collection, rules, "BASIC")
        return [
            (share, result["unexpected_count"])
            for (share, _), result in zip(shares, results, strict=True)
            if not result["success"]
        ]


def _counted(batch: Any, collection: str, rules: list[Rule]) -> list[tuple[Rule, int]]:
    """How many rows break each rule."""
    results = _run(batch, collection, rules, "BASIC")
    return [(rule, result["unexpected_count"]) for rule, result in zip(rules, results, strict=True)]


def _run(batch: Any, collection: str, rules: list[Rule], result_format: str | dict[str, Any]) -> list[dict[str, Any]]:
    """Great Expectations' result of each rule, with its `success`; COMPLETE and BASIC are its result formats."""
    if not rules:
        return []
    suite = gx.ExpectationSuite(name=collection)
    for number, rule in enumerate(rules):
        suite.add_expectation(
            rule.expectation.copy(update={"meta": {"rule": number}, "severity": rule.severity, "id": None})
        )
    results = batch.validate(suite, result_format=result_format).results
    made = {result.expectation_config.meta["rule"]: {**result.result, "success": result.success} for result in results}
    for number, rule in enumerate(rules):
        if "unexpected_count" not in made.get(number, {}):
            raise RollcallError(
                "rule_not_judged",
                f"The rule {rule.name} of {collection} could not be judged: Great Expectations raised an exception.",
                remedy="Nothing was published. Report this line; the landed pull is kept and can be judged again.",
            )
    return [made[number] for number in range(len(rules))]


def _row_numbers(result: dict[str, Any]) -> np.ndarray:
    return np.array([entry[ROW] for entry in result["unexpected_index_list"]], dtype=np.int64)
