"""One person's way: received, validated, mapped, published; each stage with what it made of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa

from rollcall.explain.answers import ANSWERS, IN_REPLIES
from rollcall.explain.changes import Change
from rollcall.explain.context import DistrictContext, becomes, current, derive_username, role_at
from rollcall.explain.people import Row
from rollcall.explain.person import Person
from rollcall.explain.words import counted, day, field_words, full_name, joined, moment
from rollcall.landing.mapping import LEFT_OUT_REASONS
from rollcall.settings import night_of
from rollcall.warehouse.models import runs

# What `rollcall explain` tells: the way of one person, what happened, and one of the fixed answers.

_CLOSING = "If this does not fit what you see, please tell us what your school system shows."


@dataclass(frozen=True)
class Step:
    """One stage of a person's way.

    :param outcome: ok, warning, or stop where the way ends.
    """

    stage: str
    outcome: str
    lines: list[str]


@dataclass(frozen=True)
class Answer:
    """One of the fixed answers with its values in place.

    :param where: pairs of a place (Infinite Campus, the district's file) and what is found there.
    :param reply: ready to send; without any id, and without the name of anybody but the person.
    """

    code: str
    said: str
    causes: list[str]
    who: str
    where: list[tuple[str, str]]
    reply: str


@dataclass(frozen=True)
class Explanation:
    """One person, or school, explained.

    :param subject: who or what it is about, as a heading.
    """

    subject: str
    sourced_id: str | None
    answer: Answer
    notes: list[str]
    steps: list[Step] = field(default_factory=list)
    changes: list[Change] = field(default_factory=list)


@dataclass(frozen=True)
class PersonMatches:
    """More than one person fits.

    :param matches: name, school, grade, state, sourced_id of each; `more` says that there are others still.
    """

    who: str
    matches: list[dict[str, str]]
    more: bool


def fill_answer(code: str, standing: DistrictContext, values: Mapping[str, Any]) -> Answer:
    """An answer with its values; those every answer may use are added here."""
    settings = standing.settings
    filled: dict[str, Any] = {
        "district": settings.district,
        "district_name": settings.name,
        "file": f"{settings.district}.yaml",
        "last_pull": standing.last_words(),
        "next_pull": standing.next_words(),
        **values,
    }
    answer = ANSWERS[code]
    provider = ("Infinite Campus", answer.campus) if standing.is_campus else ("The SIS", answer.elsewhere)
    where = [(place, text.format(**filled)) for place, text in (provider, ("Rollcall", answer.ours)) if text]
    safe = {name: value for name, value in filled.items() if name in IN_REPLIES}
    causes = [cause.format(**safe) for cause in answer.causes]
    numbered = [f"{number}. {cause}" for number, cause in enumerate(causes, 1)]
    reply = "\n".join([answer.reply.format(**safe), *numbered, "", _CLOSING])
    return Answer(code, answer.said.format(**filled), causes, answer.who, where, reply)


def build_timeline(connection: sa.Connection, standing: DistrictContext, person: Person) -> list[Step]:
    """The four stages of somebody who is in the roster, or was."""
    first = [_received(standing, person), _validated(person)]
    return [*first, _mapped(standing, person), _published(connection, standing, person)]


def _received(standing: DistrictContext, person: Person) -> Step:
    zone, user = standing.timezone, person.user
    lines = [f"First received {moment(user['_first_seen_at'], zone)}, last change {moment(user['_changed_at'], zone)}."]
    if user["date_last_modified"] is not None:
        lines.append(f"The provider's own stamp at that change: {moment(user['date_last_modified'], zone)}.")
    lines += [_other_record(zone, other) for other in person.others]
    if not person.is_live:
        lines.append(f"Removed {moment(user['_removed_at'], zone)}: {user['_removed_because']}.")
        return Step("received", "stop", lines)
    if user["_missing_since"] is not None:
        lines.append(f"Not in the full pull of {moment(user['_missing_since'], zone)}.")
        return Step("received", "warning", lines)
    return Step("received", "ok", lines)


def _other_record(zone: str, other: Row) -> str:
    life = f"removed {day(other['_removed_at'], zone)}" if other["_removed_at"] else "live"
    return f"Another record of the same person: {full_name(other)} ({other['sourced_id']}, {life}; {other['basis']})."


def _validated(person: Person) -> Step:
    if not person.rejects:
        return Step("validated", "ok", ["Nothing was refused."])
    groups: dict[tuple[str, str, str], int] = {}
    for row in person.rejects:
        what = {"users": "the person's record", "demographics": "the demographics"}.get(row["collection"])
        key = (what or f"{row['collection']} of the person", row["rule"], row["reason"])
        groups[key] = groups.get(key, 0) + 1
    lines = [f"Refused: {what}{_times(count)}, rule {rule}: {why}" for (what, rule, why), count in groups.items()]
    return Step("validated", "warning", lines)


def _times(count: int) -> str:
    return f" ({count:,} times)" if count > 1 else ""


def _mapped(standing: DistrictContext, person: Person) -> Step:
    if not person.is_live:
        return Step("mapped", "stop", ["Whoever is removed has no account."])
    district = standing.settings
    roles = person.live(person.roles)
    lines = [
        f"{role_at(role)} ({role['role_type'] or 'no type'}): {becomes(district, role, standing.night)}."
        for role in roles
    ]
    accounts = person.live(person.accounts)
    is_staff = any(district.role_target(role["role"] or "") == "staff" for role in roles)
    source = derive_username(
        district, person.user, accounts[0]["role"] if accounts else "staff" if is_staff else "student"
    )
    if source.sent is not None:
        becomes_name = f'becomes "{source.username}"' if source.username else "becomes no username"
        lines.append(f'Username: {field_words(source.field)} is "{source.sent}" and {becomes_name}.')
    else:
        lines.append("Username: nothing is entered in the fields it is made from.")
    if not person.left_out:
        return Step("mapped", "ok", lines)
    reason = person.left_out["reason"]
    lines.append(f"Left out ({reason}): {LEFT_OUT_REASONS.get(reason, reason)}.")
    return Step("mapped", "stop", lines)


def _published(connection: sa.Connection, standing: DistrictContext, person: Person) -> Step:
    zone = standing.timezone
    accounts = person.live(person.accounts)
    lines = [_account(zone, account) for account in accounts]
    if accounts:
        titles = sorted({row["class_title"] or "without a title" for row in current(standing, person.enrollments)})
        count = counted(len(titles), "class", "classes").capitalize()
        lines.append(f"{count}{': ' if titles else ''}{joined(titles)}.")
    lines += [f"Held: {row['change']} of {row['table_name']}, hold {row['hold_id']}." for row in person.held]
    lines += _last_publication(connection, standing)
    outcome = "warning" if person.held else "ok" if accounts else "stop"
    return Step("published", outcome, lines if accounts or person.held else ["No account.", *lines])


def _account(zone: str, account: Row) -> str:
    site = account["site_name"] or account["site_id"]
    since = day(account["_first_seen_at"], zone)
    return f'Account at {site}: {account["role"]}, username "{account["username"]}", since {since}.'


def _last_publication(connection: sa.Connection, standing: DistrictContext) -> list[str]:
    if standing.published is None:
        return []
    district, run_id = standing.settings.district, standing.published["current_run_id"]
    where = (runs.c.district_id == district, runs.c.run_id == run_id)
    finished = connection.execute(sa.select(runs.c.finished_at).where(*where)).scalar()
    night = night_of(standing.published["current_as_of"], standing.timezone)
    at = f", {moment(finished, standing.timezone)}" if finished else ""
    return [f"Readers have the night of {night}, published by run {run_id}{at}."]
