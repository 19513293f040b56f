"""Which rules judged a pull: a digest that changes with the suites, with what a district has otherwise, with the time
zone its dates are read in, and with the release.
"""

from __future__ import annotations

import hashlib
import json
from importlib.metadata import version

import msgspec

from include.expectations.suites import SUITES, every_record, rules_of
from include.settings import District


def rules_in_force(district: District) -> str:
    """The digest of the rules that validate asks about this district's records today."""
    rules = [(name, rule) for name in SUITES for rule in [*every_record.identity(), *rules_of(name)]]
    told = [
        [name, rule.name, rule.severity, type(rule.expectation).__name__, rule.expectation.dict()]
        for name, rule in rules
    ]
    changed = msgspec.to_builtins(district.rules)
    data = json.dumps([version("rollcall"), changed, told, district.schedule.timezone], sort_keys=True, default=str)
    return hashlib.sha256(data.encode()).hexdigest()[:16]
