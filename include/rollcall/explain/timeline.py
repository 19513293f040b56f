"""An explanation: one person's timeline through the stages, the changes, and the answer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa

from rollcall.display.dates import format_date, format_day, format_instant
from rollcall.explain.answers import ANSWERS
from rollcall.explain.answers.template import REPLY_VALUES
from rollcall.explain.changes import PersonChange, removal_reason
from rollcall.explain.context import DistrictContext, current_enrollments, derive_username, role_label, role_outcome
from rollcall.explain.formatting import field_label, full_name, join_words, pluralize
from rollcall.explain.person_details import PersonDetails
from rollcall.explain.search import Row
from rollcall.landing.mapping import LEFT_OUT_REASONS
from rollcall.settings import night_of
from rollcall.warehouse.ops_models import runs

_CLOSING = "If this does not match what you see, please tell us what your school system shows."


@dataclass(frozen=True)
class TimelineStep:
    """One stage of the timeline.

    :param outcome: ok, warning, or stop if the person gets no further.
    """

    stage: str
    outcome: str
    lines: list[str]


@dataclass(frozen=True)
class Answer:
    """An answer with its values filled in.

    :param owner: who can fix it.
    :param where: pairs of a system (Infinite Campus, Rollcall) and the place in it.
    :param reply: ready to send; it contains no ID and no name except the person's own.
    """

    code: str
    text: str
    causes: list[str]
    owner: str
    where: list[tuple[str, str]]
    reply: str


@dataclass(frozen=True)
class Explanation:
    """The explanation of one person or school.

    :param subject: the person's or school's name, as a heading.
    :param near: if no one matches, the people and schools that are probably meant, the most similar first, with name,
        role, school, grade, state, sourced_id, similarity.
    """

    subject: str
    sourced_id: str | None
    answer: Answer
    notes: list[str]
    steps: list[TimelineStep] = field(default_factory=list)
    changes: list[PersonChange] = field(default_factory=list)
    near: list[dict[str, str]] = field(default_factory=list)


@dataclass(frozen=True)
class PersonMatches:
    """Several people match.

    :param matches: name, role, school, grade, state, sourced_id of each.
    :param more: whether there are more than these.
    """

    who: str
    matches: list[dict[str, str]]
    more: bool


def fill_answer(code: str, context: DistrictContext, values: Mapping[str, Any]) -> Answer:
    """Fill in an answer. Values that every answer may use are added here."""
    settings = context.settings
    filled: dict[str, Any] = {
        "district": settings.district,
        "district_name": settings.name,
        "file": f"{settings.district}.yaml",
        "last_pull": context.last_pull_label(),
        "next_pull": context.next_pull_label(),
        **values,
    }
    answer = ANSWERS[code]
    system = ("Infinite Campus", answer.infinite_campus) if context.is_campus else ("SIS", answer.other_sis)
    where = [(place, text.format(**filled)) for place, text in (system, ("Rollcall", answer.rollcall)) if text]
    safe = {name: value for name, value in filled.items() if name in REPLY_VALUES}
    causes = [cause.format(**safe) for cause in answer.causes]
    numbered = [f"{number}. {cause}" for number, cause in enumerate(causes, 1)]
    reply = "\n".join([answer.reply.format(**safe), *numbered, "", _CLOSING])
    return Answer(code, answer.text.format(**filled), causes, answer.owner, where, reply)


def build_timeline(connection: sa.Connection, context: DistrictContext, person: PersonDetails) -> list[TimelineStep]:
    """The four stages of a person in the roster, live or removed."""
    stages = [_received(context, person), _validated(person), _mapped(context, person)]
    return [*stages, _published(connection, context, person)]


def _received(context: DistrictContext, person: PersonDetails) -> TimelineStep:
    zone, user = context.timezone, person.user
    lines = [
        f"First received {format_instant(user['_first_seen_at'], zone)}.",
        f"Last changed {format_instant(user['_changed_at'], zone)}.",
    ]
    if user["date_last_modified"] is not None:
        lines.append(f"Last modified in the SIS: {format_instant(user['date_last_modified'], zone)}.")
    lines += [_other_record(zone, other) for other in person.others]
    if not person.is_live:
        lines.append(f"Removed {format_instant(user['_removed_at'], zone)}: {removal_reason(user['_removed_reason'])}.")
        return TimelineStep("received", "stop", lines)
    if user["_missing_since"] is not None:
        lines.append(f"Not in the full pull of {format_instant(user['_missing_since'], zone)}.")
        return TimelineStep("received", "warning", lines)
    return TimelineStep("received", "ok", lines)


def _other_record(zone: str, other: Row) -> str:
    state = f"removed {format_day(other['_removed_at'], zone)}" if other["_removed_at"] else "live"
    return f"Another record of the same person: {full_name(other)} ({other['sourced_id']}, {state}; {other['basis']})."


def _validated(person: PersonDetails) -> TimelineStep:
    if not person.rejects:
        return TimelineStep("validated", "ok", ["No records rejected."])
    groups: dict[tuple[str, str, str], int] = {}
    for row in person.rejects:
        label = {"users": "the person's record", "demographics": "the person's demographics"}.get(row["collection"])
        key = (label or f"the person's {row['collection']}", row["rule"], row["reason"])
        groups[key] = groups.get(key, 0) + 1
    lines = [
        f"Rejected: {label}{_times(count)}, rule {rule}: {reason}" for (label, rule, reason), count in groups.items()
    ]
    return TimelineStep("validated", "warning", lines)


def _times(count: int) -> str:
    return f" ({count:,} times)" if count > 1 else ""


def _mapped(context: DistrictContext, person: PersonDetails) -> TimelineStep:
    if not person.is_live:
        return TimelineStep("mapped", "stop", ["Removed people have no account."])
    district = context.settings
    roles = person.live(person.roles)
    lines = [
        f"{role_label(role)} ({role['role_type'] or 'no type'}): {role_outcome(district, role, context.night)}."
        for role in roles
    ]
    accounts = person.live(person.accounts)
    is_staff = any(district.role_target(role["role"] or "") == "staff" for role in roles)
    account_role = accounts[0]["role"] if accounts else "staff" if is_staff else "student"
    source = derive_username(district, person.user, account_role)
    if source.sent is not None:
        username = f'The username is "{source.username}".' if source.username else "It gives no username."
        lines.append(f'Username source: {field_label(source.field)}, "{source.sent}". {username}')
    else:
        lines.append("Username source: no value in the username fields.")
    if not person.left_out:
        return TimelineStep("mapped", "ok", lines)
    reason = person.left_out["reason"]
    lines.append(f"No account ({reason}): {LEFT_OUT_REASONS.get(reason, reason)}.")
    return TimelineStep("mapped", "stop", lines)


def _published(connection: sa.Connection, context: DistrictContext, person: PersonDetails) -> TimelineStep:
    zone = context.timezone
    accounts = person.live(person.accounts)
    lines = [_account(zone, account) for account in accounts]
    if accounts:
        titles = sorted(
            {row["class_title"] or "without a title" for row in current_enrollments(context, person.enrollments)}
        )
        count = pluralize(len(titles), "class", "classes").capitalize()
        lines.append(f"{count}{': ' if titles else ''}{join_words(titles)}.")
    lines += [f"Held: {row['change']} of {row['table_name']}, hold {row['hold_id']}." for row in person.held]
    lines += _last_publication(connection, context)
    outcome = "warning" if person.held else "ok" if accounts else "stop"
    return TimelineStep("published", outcome, lines if accounts or person.held else ["No account.", *lines])


def _account(zone: str, account: Row) -> str:
    site = account["site_name"] or account["site_id"]
    since = format_day(account["_first_seen_at"], zone)
    return f'Account at {site}: {account["role"]}, username "{account["username"]}", since {since}.'


def _last_publication(connection: sa.Connection, context: DistrictContext) -> list[str]:
    if context.published is None:
        return []
    district, run_id = context.settings.district, context.published["current_run_id"]
    where = (runs.c.district_id == district, runs.c.run_id == run_id)
    finished = connection.execute(sa.select(runs.c.finished_at).where(*where)).scalar()
    night = night_of(context.published["current_as_of"], context.timezone)
    at = f" {format_instant(finished, context.timezone)}" if finished else ""
    return [f"Published roster: {format_date(night)}, published{at} by run {run_id}."]
