"""Finds the rows that break a rule, with Great Expectations.

Each run of a stage has one ephemeral context: it writes and sends nothing, without progress bars or documents. Great
Expectations quotes values in its results and exceptions, so only rule names, counts, and row numbers leave this module
(rule 8).

Most rules read columns with few different values: a role, a school date, whether a value is present. Six hundred
thousand enrollments have some dozens of different combinations. So Great Expectations judges each combination once, and
the result counts for all rows that have it. A process remembers the answers.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
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

#: A column is judged row by row if it has more different values than both this number and this share of the rows.
_FEW_VALUES = 1_000
_FEW_SHARE = 0.02


@dataclass(frozen=True)
class Combinations:
    """The different combinations of values among rows.

    :param rows: each different row once.
    :param row_to_combination: per row, the position of its combination in `rows`.
    :param counts: per combination, the number of rows.
    """

    rows: pa.Table
    row_to_combination: npt.NDArray[np.int64]
    counts: npt.NDArray[np.int64]


def select_rule_inputs(rows: pa.Table, rules: Sequence[Rule]) -> pa.Table:
    """The columns the rules read. A column that only needs to be present is reduced to whether it is."""
    inputs = {name: rows.column(name) for rule in rules for name in rule.columns()}
    with_values = {name for rule in rules for name in rule.columns() if not _needs_presence_only(rule)}
    for name in inputs.keys() - with_values:
        inputs[name] = pc.if_else(pc.is_valid(inputs[name]), "present", pa.scalar(None, pa.string()))
    return pa.table(inputs)


def split_by_cardinality(rows: pa.Table, rules: Sequence[Rule]) -> tuple[list[Rule], list[Rule]]:
    """The rules about columns with few different values, and the others."""
    limit = max(_FEW_VALUES, int(_FEW_SHARE * rows.num_rows))
    large = {name for name in rows.column_names if _count_distinct(rows.column(name)) > limit}
    few = [rule for rule in rules if not large & set(rule.columns())]
    return few, [rule for rule in rules if large & set(rule.columns())]


def find_combinations(rows: pa.Table) -> Combinations:
    """Each combination of values once, in the order of its first row."""
    code = np.zeros(rows.num_rows, dtype=np.int64)
    for column in rows.columns:
        column_codes, size = _codes(column)
        _, code = np.unique(code * size + column_codes, return_inverse=True)  # without gaps, so it cannot overflow
    _, first, row_to_combination, counts = np.unique(code, return_index=True, return_inverse=True, return_counts=True)
    order = np.argsort(first)
    place = np.empty_like(order)
    place[order] = np.arange(len(order))
    return Combinations(rows.take(pa.array(first[order])), place[row_to_combination], counts[order])


def _codes(column: pa.ChunkedArray) -> tuple[npt.NDArray[np.int64], int]:
    """A number per value, nulls included, and the number of codes."""
    encoded = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    if not pa.types.is_dictionary(encoded.type):
        encoded = pc.dictionary_encode(encoded)
    size = len(encoded.dictionary)
    return np.asarray(pc.fill_null(encoded.indices, size).to_numpy(), dtype=np.int64), size + 1


def _count_distinct(column: pa.ChunkedArray) -> int:
    if pa.types.is_dictionary(column.type):
        return len(column.combine_chunks().dictionary)
    return int(pc.count_distinct(column).as_py())


@dataclass(frozen=True)
class Question:
    """Which values of its own columns break a rule. The answer depends on nothing else, and each value on itself only.

    :param expectation: a digest of the expectation, and the types of its columns.
    :param values: the different values, one tuple per row of `Combinations.rows`.
    :param row_to_value: per row, the position of its values among the different ones.
    """

    rule: Rule
    expectation: tuple[bytes, str]
    values: list[tuple[Any, ...]]
    row_to_value: npt.NDArray[np.int64]

    @classmethod
    def of(cls, rule: Rule, rows: pa.Table) -> Question:
        found = find_combinations(rows.select(rule.columns()))
        columns = [_plain(column) for column in found.rows.columns]
        types = " ".join(str(column.type) for column in columns)
        values = list(zip(*(column.to_pylist() for column in columns), strict=True))
        return cls(rule, (_digest(rule.expectation), types), values, found.row_to_combination)

    @property
    def answers(self) -> dict[tuple[Any, ...], bool]:
        """What is known from earlier: per value, whether it breaks the rule."""
        return _DECIDED.setdefault(self.expectation, {})

    def is_known(self) -> bool:
        return self.answers.keys() >= set(self.values)

    def failing_rows(self) -> npt.NDArray[np.bool_]:
        """The rows that break the rule. All values must be known."""
        answers = self.answers
        return np.array([answers[value] for value in self.values], dtype=bool)[self.row_to_value]


def _plain(column: pa.ChunkedArray) -> pa.ChunkedArray:
    return column.cast(column.type.value_type) if pa.types.is_dictionary(column.type) else column


#: Fields of an expectation that decide nothing.
_LABELS = {"id", "meta", "notes", "description", "severity", "rendered_content"}


def _digest(expectation: gxe.Expectation) -> bytes:
    text = f"{expectation.expectation_type} {expectation.json(exclude=_LABELS)}"
    return hashlib.blake2b(text.encode(), digest_size=16).digest()


#: Per expectation, and per value of its columns, whether it breaks the rule. Slices of a collection, the nights of a
#: backfill, and the districts of a state repeat most values, and Great Expectations takes 4 ms for each expectation.
_DECIDED: dict[tuple[bytes, str], dict[tuple[Any, ...], bool]] = {}
_MOST_DECIDED = 100_000


def _needs_presence_only(rule: Rule) -> bool:
    return isinstance(rule.expectation, gxe.ExpectColumnValuesToNotBeNull) and not rule.expectation.row_condition


#: The row number's column in a batch. No roster table has a column of this name.
ROW = "row_number"


#: The result format that lists the failing rows.
_WITH_ROWS: dict[str, Any] = {"result_format": "COMPLETE", "unexpected_index_column_names": [ROW]}


@dataclass(frozen=True)
class BrokenRule:
    """A rule that some rows break, with its severity in this district.

    :param rows: the row numbers if the rule is critical; else None, and only the count is known.
    """

    rule: Rule
    count: int
    rows: np.ndarray | None


class Judge:
    """Runs suites over data frames.

    :param severities: the district's severities.
    """

    def __init__(self, severities: Severities) -> None:
        self.severities = severities

    @cached_property
    def _batches(self) -> Any:
        """Made when it is first needed: it takes 15 ms."""
        context = gx.get_context(
            mode="ephemeral",
            project_config=DataContextConfig(
                # otherwise it creates a folder for documents in the temporary directory
                store_backend_defaults=InMemoryStoreBackendDefaults(init_temp_docs_sites=False),
                progress_bars=ProgressBarsConfig(globally=False),
                analytics_enabled=False,
            ),
        )
        asset = context.data_sources.add_pandas("landed").add_dataframe_asset("rows")
        return asset.add_batch_definition_whole_dataframe("whole")

    def broken(self, collection: str, rows: pa.Table, rules: list[Rule]) -> list[BrokenRule]:
        """The broken rules, in the order of `rules`.

        :param rows: the columns the rules read.
        :raises RollcallError: `rule_not_judged`, naming the rule, when an expectation itself fails.
        """
        if not rows.num_rows or not rules:
            return []
        rules = [self.severities.of(collection, rule) for rule in rules]
        rows = select_rule_inputs(rows, rules)
        few, many = split_by_cardinality(rows, rules)
        found = {**self._by_combination(collection, rows, few), **self._row_by_row(collection, rows, many)}
        return [found[id(rule)] for rule in rules if id(rule) in found]

    def _by_combination(self, collection: str, rows: pa.Table, rules: list[Rule]) -> dict[int, BrokenRule]:
        """The broken rules among those about columns with few different values.

        What is known from earlier is not asked again. Listing rows costs twice as much as asking whether a rule is
        broken, so only broken rules are listed.
        """
        if not rules:
            return {}
        combined = find_combinations(
            rows.select(list(dict.fromkeys(name for rule in rules for name in rule.columns())))
        )
        questions = [Question.of(rule, combined.rows) for rule in rules]
        if sum(map(len, _DECIDED.values())) > _MOST_DECIDED:
            _DECIDED.clear()
        unknown = [question for question in questions if not question.is_known()]
        if unknown:
            self._decide(collection, combined.rows, unknown)
        found = {}
        for rule, question in zip(rules, questions, strict=True):
            failing = question.failing_rows()
            count = int(combined.counts[failing].sum())
            is_listed = rule.severity == "critical"
            if count:
                found[id(rule)] = BrokenRule(
                    rule, count, np.flatnonzero(failing[combined.row_to_combination]) if is_listed else None
                )
        return found

    def _decide(self, collection: str, rows: pa.Table, questions: list[Question]) -> None:
        """Ask Great Expectations, and remember the answers."""
        asked = {question.expectation: question for question in questions}
        batch = self._batch(rows)
        broken = _broken(batch, collection, [question.rule for question in asked.values()])
        listed = dict(zip(map(id, broken), _run(batch, collection, broken, _WITH_ROWS), strict=True))
        for question in asked.values():
            result = listed.get(id(question.rule))
            failing = set(question.row_to_value[_row_numbers(result)].tolist()) if result else set()
            question.answers.update((value, at in failing) for at, value in enumerate(question.values))

    def _row_by_row(self, collection: str, rows: pa.Table, rules: list[Rule]) -> dict[int, BrokenRule]:
        """The broken rules among the others.

        All rules are counted first. Rows are listed only for broken critical rules, because listing costs far more
        than counting (300,000 missing emails: ten seconds).
        """
        if not rules:
            return {}
        batch = self._batch(rows.select(list(dict.fromkeys(name for rule in rules for name in rule.columns()))))
        broken = [(rule, count) for rule, count in _counted(batch, collection, rules) if count]
        critical = [rule for rule, _ in broken if rule.severity == "critical"]
        listed = iter(_run(batch, collection, critical, _WITH_ROWS))
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
        """The shares above their limit, each with its number of rows.

        :param shares: each with the largest allowed share of rows without the fact, between 0 and 1.
        :raises RollcallError: as `broken`.
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


def _broken(batch: Any, collection: str, rules: list[Rule]) -> list[Rule]:
    """The rules that some rows break. A rule that raised an exception is among them: `_run` then reports it.

    With this format, Great Expectations takes two thirds of the time of BASIC, which also counts and quotes.
    """
    passed = {
        result.expectation_config.meta["rule"]
        for result in _validate(batch, collection, rules, "BOOLEAN_ONLY")
        if result.success
    }
    return [rule for number, rule in enumerate(rules) if number not in passed]


def _counted(batch: Any, collection: str, rules: list[Rule]) -> list[tuple[Rule, int]]:
    """The number of rows that break each rule."""
    results = _run(batch, collection, rules, "BASIC")
    return [(rule, result["unexpected_count"]) for rule, result in zip(rules, results, strict=True)]


def _run(batch: Any, collection: str, rules: list[Rule], result_format: str | dict[str, Any]) -> list[dict[str, Any]]:
    """The result of each rule, with its `success`. COMPLETE and BASIC are formats of Great Expectations."""
    if not rules:
        return []
    by_number = {
        result.expectation_config.meta["rule"]: {**result.result, "success": result.success}
        for result in _validate(batch, collection, rules, result_format)
    }
    for number, rule in enumerate(rules):
        if "unexpected_count" not in by_number.get(number, {}):
            raise RollcallError(
                "rule_not_judged",
                f"The rule {rule.name} of {collection} could not be judged: Great Expectations raised an exception. "
                "Nothing was published.",
                remedy="Report this line. The pull is kept and can be validated again.",
            )
    return [by_number[number] for number in range(len(rules))]


def _validate(batch: Any, collection: str, rules: list[Rule], result_format: str | dict[str, Any]) -> list[Any]:
    """Great Expectations' results, in any order. Each has its rule's number in its meta data."""
    suite = gx.ExpectationSuite(name=collection)
    for number, rule in enumerate(rules):
        suite.add_expectation(
            rule.expectation.copy(update={"meta": {"rule": number}, "severity": rule.severity, "id": None})
        )
    results: list[Any] = batch.validate(suite, result_format=result_format).results
    return results


def _row_numbers(result: dict[str, Any]) -> np.ndarray:
    return np.array([entry[ROW] for entry in result["unexpected_index_list"]], dtype=np.int64)
