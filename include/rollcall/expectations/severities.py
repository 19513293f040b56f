"""A district's severity overrides (`rules` in its YAML), checked against the existing rules.

Settings cannot check the names: the suites import Great Expectations, which takes seconds, and settings are read on
every DAG parse. So an unknown name is an error when the rules are first used.
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
from rollcall.settings.base import nearest


def ruleset_digest(district: District) -> str:
    """A digest of the rules for this district's records today.

    It changes with the suites, the district's overrides, its time zone (dates depend on it), and the release.
    """
    rules = [(name, rule) for name in SUITES for rule in [*every_record.identity(), *rules_of(name)]]
    described = [
        [name, rule.name, rule.severity, type(rule.expectation).__name__, rule.expectation.dict()]
        for name, rule in rules
    ]
    overrides = msgspec.to_builtins(district.rules)
    data = json.dumps(
        [version("rollcall"), overrides, described, district.schedule.timezone], sort_keys=True, default=str
    )
    return hashlib.sha256(data.encode()).hexdigest()[:16]


#: Names for several rules of a collection with one meaning and different causes.
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
    """The severity of each rule in one district.

    :param changes: by rule name, by `<collection>.<name>`, or by group name.
    :raises ActionRequired: `rule_unknown`; `rule_fixed` for a severity no district can change.
    """

    def __init__(self, changes: Mapping[str, RuleChange], district: str = "") -> None:
        self._severities: dict[str, Severity] = {}
        for name, change in changes.items():
            for rule in _find_rules(name, district):
                _require_changeable(rule, change.severity, district)
                self._severities[rule] = change.severity

    def of(self, collection: str, rule: Rule) -> Rule:
        """The rule with this district's severity."""
        return replace(rule, severity=self._severities.get(f"{collection}.{rule.name}", rule.severity))

    def of_share(self, collection: str, share: Share) -> Severity:
        return self._severities.get(f"{collection}.{share.name}", share.severity)


def _find_rules(name: str, district: str) -> list[str]:
    """The rules that a name means, each as `<collection>.<name>`."""
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
        remedy=f"Correct the name in {district or 'the district'}.yaml; the findings of each run show the rule names.",
        district=district,
    )


def _require_changeable(rule: str, severity: Severity, district: str) -> None:
    reason = ""
    if rule in _SHARES:
        reason = "it concerns a whole collection and cannot reject a record" if severity == "critical" else ""
    elif _RULES[rule].guards_key and severity != "critical":
        reason = "the record's key depends on it"
    elif _RULES[rule].needs_owner and severity != "critical":
        reason = "the record it belongs to must exist"
    if reason:
        raise ActionRequired(
            "rule_fixed",
            f"rules: {rule} cannot be {severity}: {reason}.",
            remedy=f"Remove the entry from {district or 'the district'}.yaml.",
            district=district,
        )
