"""One person's way: received, validated, mapped, published; each stage with what it made of them."""

from __future__ import annotations

import sqlalchemy as sa

from include.contracts import LEFT_OUT_REASONS
from include.explain.explanation import Step
from include.explain.people import Row
from include.explain.person import Person
from include.explain.places import becomes, current, role_at
from include.explain.standing import Standing
from include.explain.username import made
from include.explain.words import counted, day, field_words, full_name, joined, moment
from include.settings import night_of
from include.warehouse.models import runs


def walk(connection: sa.Connection, standing: Standing, person: Person) -> list[Step]:
    """The four stages of somebody who is in the roster, or was."""
    first = [_received(standing, person), _validated(person)]
    return [*first, _mapped(standing, person), _published(connection, standing, person)]


def _received(standing: Standing, person: Person) -> Step:
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


def _mapped(standing: Standing, person: Person) -> Step:
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
    source = made(district, person.user, accounts[0]["role"] if accounts else "staff" if is_staff else "student")
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


def _published(connection: sa.Connection, standing: Standing, person: Person) -> Step:
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


def _last_publication(connection: sa.Connection, standing: Standing) -> list[str]:
    if standing.published is None:
        return []
    district, run_id = standing.settings.district, standing.published["current_run_id"]
    where = (runs.c.district_id == district, runs.c.run_id == run_id)
    finished = connection.execute(sa.select(runs.c.finished_at).where(*where)).scalar()
    night = night_of(standing.published["current_as_of"], standing.timezone)
    at = f", {moment(finished, standing.timezone)}" if finished else ""
    return [f"Readers have the night of {night}, published by run {run_id}{at}."]
