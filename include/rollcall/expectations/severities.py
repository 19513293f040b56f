"""A district's own view of how grave a rule is (`rules` in its YAML), held against the rules there are.

Settings cannot check the names themselves: the suites import Great Expectations, which takes seconds, and settings are
read wherever a DAG is parsed. So a name nobody knows is an error where rules are first asked.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import replace
from importlib.metadata import version

import msgspec

from rollcall.errors import ActionRequired
from rollcall.expectations.rules import Rule, Share
from rollcall.expectations.suites import SUITES, every_record, rules_of
from rollcall.landing.validated import Severity
from rollcall.settings import District, RuleChange
from rollcall.settings.sections import nearest

# Which rules judged a pull: a digest that changes with the suites, with what a district has otherwise, with the time
# zone its dates are read in, and with the release.


def ruleset_digest(district: District) -> str:
    """The digest of the rules that validate asks about this district's records today."""
    rules = [(name, rule) for name in SUITES for rule in [*every_record.identity(), *rules_of(name)]]
    told = [
        [name, rule.name, rule.severity, type(rule.expectation).__name__, rule.expectation.dict()]
        for name, rule in rules
    ]
    changed = msgspec.to_builtins(district.rules)
    data = json.dumps([version("rollcall"), changed, told, district.schedule.timezone], sort_keys=True, default=str)
    return hashlib.sha256(data.encode()).hexdigest()[:16]


#: One name for several rules of a collection that say the same thing with different causes.
GROUPS: dict[str, tuple[str, ...]] = {
    "orphan_enrollment": tuple(
        f"enrollments.{rule.name}"
        for rule in SUITES["enrollments"].roster["enrollments"]
        if rule.severity == "critical"
    ),
}

_SHARES = {f"{name}.{share.name}": share for name, suite in SUITES.items() for share in suite.shares}
_RULES = {f"{name}.{rule.name}": rule for name in SUITES for rule in [*every_record.identity(), *rules_of(name)]}


class Severities:
    """How grave each rule is in one district.

    :param changes: by a rule's name, by `<collection>.<name>`, or by the name of a group.
    :raises ActionRequired: `rule_unknown`; `rule_fixed` for what no district can have otherwise.
    """

    def __init__(self, changes: Mapping[str, RuleChange], district: str = "") -> None:
        self._severities: dict[str, Severity] = {}
        for name, change in changes.items():
            for rule in _named(name, district):
                _require_changeable(rule, change.severity, district)
                self._severities[rule] = change.severity

    def of(self, collection: str, rule: Rule) -> Rule:
        """The rule as this district has it."""
        return replace(rule, severity=self._severities.get(f"{collection}.{rule.name}", rule.severity))

    def of_share(self, collection: str, share: Share) -> Severity:
        return self._severities.get(f"{collection}.{share.name}", share.severity)


def _named(name: str, district: str) -> list[str]:
    """The rules a name stands for, each as `<collection>.<name>`."""
    every = [*_RULES, *_SHARES]
    if name in GROUPS:
        return list(GROUPS[name])
    found = [one for one in every if name in (one, one.partition(".")[2])]
    if found:
        return found
    valid = [*every, *(one.partition(".")[2] for one in every), *GROUPS]
    raise ActionRequired(
        "rule_unknown",
        f"rules: there is no rule named {name!r}{nearest(name, dict.fromkeys(valid))}.",
        remedy=f"Correct the name in {district or 'the district'}.yaml; every run's findings show the names of rules.",
        district=district,
    )


def _require_changeable(rule: str, severity: Severity, district: str) -> None:
    why = ""
    if rule in _SHARES:
        why = "it is about a whole collection and can refuse no record" if severity == "critical" else ""
    elif _RULES[rule].guards_key and severity != "critical":
        why = "without it nobody can tell which record it is"
    elif _RULES[rule].needs_owner and severity != "critical":
        why = "nothing is published without the record it belongs to"
    if why:
        raise ActionRequired(
            "rule_fixed",
            f"rules: {rule} cannot be {severity}: {why}.",
            remedy=f"Take the entry out of {district or 'the district'}.yaml.",
            district=district,
        )
