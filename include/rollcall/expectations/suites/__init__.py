"""The rules, one file per collection: those about single records, and those about the roster as it will be."""

from __future__ import annotations

from importlib import import_module

from rollcall.expectations.rules import Rule, Suite
from rollcall.model.tables import COLLECTIONS

#: Per collection, `SUITE` of the module with its name.
SUITES: dict[str, Suite] = {name: import_module(f"{__name__}.{name}").SUITE for name in COLLECTIONS}


def rules_of(collection: str) -> list[Rule]:
    """Every row-by-row rule of a collection, without those of `every_record`."""
    suite = SUITES[collection]
    parts = [rule for rules in (*suite.parts.values(), *suite.roster.values()) for rule in rules]
    return [*suite.records, *parts]
