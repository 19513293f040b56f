"""Asks Great Expectations about the values that most districts send, before a district is judged.

A process remembers the answers, and the processes forked from it have them (`rollcall.orchestration.preload`). What
is left to ask about a small district are its own dates, usernames, and email addresses.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import great_expectations.expectations as gxe
import pyarrow as pa

from rollcall.expectations.judge import Judge
from rollcall.expectations.rules import VERSION_COLUMN, Rule
from rollcall.expectations.severities import Severities
from rollcall.expectations.suites import SUITES, every_record
from rollcall.model.vocabularies import VERSIONS


def ask_about_usual_values() -> None:
    """Ask every rule, and remember the answers. It takes two seconds."""
    judge = Judge(Severities({}))
    for collection, rules in _together():
        judge.broken(collection, _usual_rows(rules), rules)


def _together() -> Iterator[tuple[str, list[Rule]]]:
    """The rules that are judged together."""
    for collection, suite in SUITES.items():
        for rules in (every_record.identity(), suite.records, *suite.parts.values(), *suite.roster.values()):
            yield collection, rules


def _usual_rows(rules: Sequence[Rule]) -> pa.Table:
    """Rows with each usual value of each column, and with no value, in each version."""
    columns: dict[str, list[Any]] = {}
    types: dict[str, pa.DataType] = {VERSION_COLUMN: pa.string()}
    for rule in rules:
        for name in rule.columns():
            if name != VERSION_COLUMN:
                values, types[name] = _usual_values(rule)
                known = columns.setdefault(name, [])
                known.extend(value for value in values if value not in known)
    most = max(len(values) for values in columns.values())
    rows = {name: [values[at % len(values)] for at in range(most)] * len(VERSIONS) for name, values in columns.items()}
    rows[VERSION_COLUMN] = [version for version in VERSIONS for _ in range(most)]
    return pa.table({name: pa.array(values, types[name]) for name, values in rows.items()})


def _usual_values(rule: Rule) -> tuple[list[Any], pa.DataType]:
    """The values of each of the rule's columns, and their type."""
    expectation = rule.expectation
    if isinstance(expectation, gxe.ExpectColumnPairValuesAToBeGreaterThanB):
        return [None], pa.date32()
    if isinstance(expectation, gxe.ExpectColumnValuesToNotBeNull):
        return ["present", None], pa.string()
    if isinstance(expectation, gxe.ExpectColumnValuesToBeInSet):
        allowed = list(expectation.value_set)
        return ([True, False], pa.bool_()) if allowed == [True] else ([*allowed, None], pa.string())
    return [*rule.usual, None], pa.string()
