"""Somebody of whom nothing is in the roster: refused, held back, or never came at all."""

from __future__ import annotations

import re

import sqlalchemy as sa

from include.explain.decide import Decision, rejected_values
from include.explain.people import Row
from include.explain.person import held_rows, rejected_unpublished
from include.explain.standing import Standing
from include.explain.words import counted, day, full_name
from include.settings import night_of

#: What may stand in a reply as a name: words of letters, at least two; an id or an e-mail address may not.
_IS_NAME = re.compile(r"(?=.* )[^\W\d_]+(?:[ '’.-]+[^\W\d_]+)*")

_SOMEBODY = "The person you asked about"


def about_nobody(connection: sa.Connection, standing: Standing, who: str) -> Decision:
    """The answer about somebody no user in the roster fits."""
    who = who.strip()
    values = {"who": who, "name": who if _IS_NAME.fullmatch(who) else _SOMEBODY}
    if standing.published is None:
        return "never_synced", values
    district = standing.settings.district
    refused = rejected_unpublished(connection, district, who)
    own = [row for row in refused if row["collection"] == "users"]
    if own:
        return "rejected_new", {**values, **rejected_values(own[0]), "name": _name(own[0])}
    orphans = sum(row["collection"] == "enrollments" for row in refused)
    if orphans:
        return "enrolled_but_absent", {**values, "count": counted(orphans, "enrollment")}
    held = held_rows(connection, district, who, [])
    if held:
        hold = held[0]
        return "held_new", {**values, "hold": hold["hold_id"], "date": day(hold["opened_at"], standing.timezone)}
    if not standing.settings.enabled:
        return "district_disabled", values
    if standing.paused:
        return "district_paused", {**values, "paused": standing.paused}
    if failed := standing.failed:
        night = night_of(failed["started_at"], standing.timezone)
        told = {"date": f"{night:%B} {night.day}, {night.year}", "error": failed["error_message"] or ""}
        return "pull_failed", {**values, **told}
    return "never_came", values


def _name(reject: Row) -> str:
    """The name in a refused record, in our spelling of the fields or the provider's."""
    record = reject["record"] if isinstance(reject["record"], dict) else {}
    named = {
        "given_name": record.get("given_name") or record.get("givenName"),
        "family_name": record.get("family_name") or record.get("familyName"),
    }
    texts = {key: value for key, value in named.items() if isinstance(value, str)}
    return full_name(texts)
