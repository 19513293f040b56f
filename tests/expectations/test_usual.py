"""What is known before a district is judged is what Great Expectations decides row by row."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from rollcall.expectations import judge as judge_module
from rollcall.expectations.judge import Judge
from rollcall.expectations.severities import Severities
from rollcall.expectations.usual import _together, _usual_rows, ask_about_usual_values


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """The rules that Great Expectations is asked about."""
    judge_module._DECIDED.clear()
    rules: list[str] = []
    validate = judge_module._validate

    def noting(batch: Any, collection: str, asked_rules: Any, result_format: Any) -> Any:
        rules.extend(rule.name for rule in asked_rules)
        return validate(batch, collection, asked_rules, result_format)

    monkeypatch.setattr(judge_module, "_validate", noting)
    yield rules
    judge_module._DECIDED.clear()


def test_a_row_of_usual_values_is_judged_as_great_expectations_decided_without_asking_again(asked: list[str]) -> None:
    ask_about_usual_values()
    every_rule = sum(len(rules) for _, rules in _together())
    assert len(asked) >= every_rule - 8 * 4  # the identity rules are the same in all collections
    asked.clear()
    judge = Judge(Severities({}))
    broken = 0
    for collection, rules in _together():
        rows = _usual_rows(rules).slice(1, 2)
        found = {one.rule.name: one.count for one in judge.broken(collection, rows, rules)}
        assert asked == []
        results = judge_module._run(
            judge._batch(judge_module.select_rule_inputs(rows, rules)), collection, rules, "BASIC"
        )
        expected = [(rule.name, result["unexpected_count"]) for rule, result in zip(rules, results, strict=True)]
        assert found == {name: count for name, count in dict(expected).items() if count}
        broken += len(found)
        asked.clear()
    assert broken > 20
