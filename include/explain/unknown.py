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
from include.warehouse.models import holds, staging

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
    if waiting := _first_roster_waits(connection, district):
        since = day(waiting["opened_at"], standing.timezone)
        return "held_first", {**values, "hold": waiting["hold_id"], "date": since}
    orphans = sum(row["collection"] == "enrollments" for row in refused)
    proof = (standing.pull or {}).get("proofs", {}).get("users")
    if orphans and proof and proof["kind"] == "unproven":
        received = {"received": f"{proof['unique']:,}", "expected": _total(proof["expected"])}
        return "enrolled_and_not_received", {**values, **received, "count": counted(orphans, "enrollment")}
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


def _first_roster_waits(connection: sa.Connection, district: str) -> Row | None:
    """The hold that keeps every person out: of people themselves, or of any part of a first roster."""
    users = staging["users"]
    has_people = sa.exists().where(users.c.district_id == district, users.c._removed_at.is_(None))
    waits = sa.select(holds).where(
        holds.c.district_id == district,
        holds.c.closed_at.is_(None),
        holds.c.kind == "additions",
        sa.or_(holds.c.collection == "users", ~has_people),
    )
    row = connection.execute(waits.order_by(holds.c.opened_at).limit(1)).mappings().one_or_none()
    return dict(row) if row is not None else None


def _total(expected: int | None) -> str:
    return "a number we were not given" if expected is None else f"{expected:,}"


def _name(reject: Row) -> str:
    """The name in a refused record, in our spelling of the fields or the provider's."""
    record = reject["record"] if isinstance(reject["record"], dict) else {}
    named = {
        "given_name": record.get("given_name") or record.get("givenName"),
        "family_name": record.get("family_name") or record.get("familyName"),
    }
    texts = {key: value for key, value in named.items() if isinstance(value, str)}
    return full_name(texts)
