"""The judge's shortcuts decide what Great Expectations decides row by row."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import great_expectations.expectations as gxe
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rollcall.expectations import judge as judge_module
from rollcall.expectations.judge import ROW, Judge
from rollcall.expectations.rules import Rule, in_order, is_true, not_null, one_of, vocabulary
from rollcall.expectations.severities import Severities
from tests.conftest import examples

_TOKENS = {"1.1": ["a"], "1.2": ["a", "b"]}
RULES = [
    Rule("null", "critical", "text", "", not_null("text")),
    Rule("token", "warning", "text", "", one_of("text", ["a", "b"])),
    Rule("regex", "critical", "text", "", gxe.ExpectColumnValuesToMatchRegex(column="text", regex="^[a-c]$")),
    Rule("no_regex", "critical", "other", "", gxe.ExpectColumnValuesToNotMatchRegex(column="other", regex="[cd]")),
    Rule("fact", "critical", "fact", "", is_true("fact")),
    Rule("order", "critical", "end", "", in_order("begin", "end")),
    *vocabulary("word", "other", "", "other", _TOKENS),
]

_text = st.sampled_from(["a", "b", "c", "d", "A", "", None])
_day = st.sampled_from([None, 20_000, 20_001, 20_002])
_rows = st.lists(st.tuples(_text, _text, st.booleans(), _day, _day, st.sampled_from(["1.1", "1.2"])), min_size=1)


@pytest.fixture(autouse=True)
def _nothing_decided() -> Iterator[None]:
    judge_module._DECIDED.clear()
    yield
    judge_module._DECIDED.clear()


def _table(rows: list[tuple[Any, ...]]) -> pa.Table:
    types = [pa.string(), pa.string(), pa.bool_(), pa.date32(), pa.date32(), pa.string()]
    names = ["text", "other", "fact", "begin", "end", "version"]
    columns = zip(*rows, strict=True)
    return pa.table({name: pa.array(values, type) for name, type, values in zip(names, types, columns, strict=True)})


@examples(15)
@given(st.lists(_rows, min_size=1, max_size=3))
def test_any_rows_break_what_they_break_one_by_one(nights: list[list[tuple[Any, ...]]]) -> None:
    """Several times in one process, so that some answers are remembered ones."""
    judge = Judge(Severities({}))
    for rows in nights:
        table = _table(rows)
        expected = _row_by_row(judge, table)
        found = {
            one.rule.name: set(one.rows.tolist())
            for one in judge.broken("users", table, RULES[:-2])
            if one.rows is not None
        }
        counts = [(one.rule.name, one.count) for one in judge.broken("users", table, RULES)]
        assert counts == [(rule.name, len(expected[at])) for at, rule in enumerate(RULES) if expected[at]]
        assert found == {
            rule.name: expected[at] for at, rule in enumerate(RULES) if expected[at] and rule.severity == "critical"
        }


def _row_by_row(judge: Judge, table: pa.Table) -> list[set[int]]:
    results = judge_module._run(judge._batch(table), "users", RULES, judge_module._WITH_ROWS)
    return [{entry[ROW] for entry in result["unexpected_index_list"]} for result in results]


def test_great_expectations_is_asked_once_per_rule_and_values(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[list[str]] = []
    validate = judge_module._validate

    def noting(batch: Any, collection: str, rules: list[Rule], result_format: Any) -> Any:
        asked.append([rule.name for rule in rules])
        return validate(batch, collection, rules, result_format)

    monkeypatch.setattr(judge_module, "_validate", noting)
    rules = [RULES[1], RULES[4]]
    rows = [("a", "a", True, None, None, "1.2"), ("z", "a", True, None, None, "1.2")]
    for times in (1, 3):
        [broken] = Judge(Severities({})).broken("users", _table(rows * times), rules)
        assert (broken.rule.name, broken.count) == ("token", times)
    assert asked == [["token", "fact"], ["token"]]

    Judge(Severities({})).broken("users", _table([*rows, ("a", "a", False, None, None, "1.2")]), rules)
    assert asked[2:] == [["fact"], ["fact"]]


@pytest.mark.parametrize("column", ["text", "version"])
def test_dictionary_encoded_columns_with_the_same_positions_are_not_the_same_values(column: str) -> None:
    """Parquet brings columns as dictionaries. The rows of two pulls can differ in the dictionary alone."""
    judge = Judge(Severities({}))
    rows = {"1.1": ("b", "b", True, None, None, "1.1"), "1.2": ("a", "b", True, None, None, "1.2")}
    found = {}
    for version, row in rows.items():
        table = _table([row])
        encoded = table.column(column).dictionary_encode()
        table = table.set_column(table.column_names.index(column), column, encoded)
        found[version] = {one.rule.name for one in judge.broken("users", table, RULES)}
    token = Rule("token", "warning", "text", "", one_of("text", ["a"]))
    broken = {name: judge.broken("users", _encoded(name), [token]) for name in ("a", "b")}
    assert found == {"1.1": {"word"}, "1.2": set()}
    assert (len(broken["a"]), len(broken["b"])) == (0, 1)


def _encoded(text: str) -> pa.Table:
    return pa.table({"text": pa.array([text]).dictionary_encode()})
