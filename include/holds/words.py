"""What a hold is about, in words: for a terminal, and for Airflow's required actions, where no person is named."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from include.holds.reading import Held

#: How long an approval waits for the publication that uses it.
APPROVAL_HOURS = 24

_THINGS = {
    "orgs": "schools and orgs",
    "academic_sessions": "academic sessions",
    "users": "people",
    "user_roles": "roles",
    "user_agents": "relations",
}
_WHAT = {
    "removals": "the removal of {rows} {things}",
    "updates": "changes to {rows} {things}",
    "usernames": "new usernames for {rows} accounts",
    "identities": "{rows} records of {things} under new ids, or turned into somebody else",
    "additions": "the first publication of {things}, {rows} received",
}
_MEANWHILE = {
    "removals": "stay published as they are",
    "updates": "stay published as they were before",
    "usernames": "keep the usernames they have",
    "identities": "stay as they are: the new ids are not added, the old ones not removed",
    "additions": "are not published, nor what refers to them; nothing at all of a district's first roster",
}
_APPROVE = {
    "removals": "they are removed, with all that belongs to them",
    "updates": "the changes are published",
    "usernames": "they get the new usernames",
    "identities": "the new ids are published and the old ones removed",
    "additions": "what that pull receives is published, even if some are missing, but not if fewer are received",
}
_REJECT = {
    "removals": "they are kept",
    "updates": "the old values are kept",
    "usernames": "the old usernames are kept",
    "identities": "the old ids are kept",
    "additions": "they stay out until a pull is proven complete",
}
_CLOSED = {
    "published": "what it named was published",
    "came_back": "what it named came back",
    "gone": "a complete run found nothing to hold any more",
}
#: With what an approval is put into effect: removals and usernames from what is published already; all others by a
#: pull, for their content has to come again.
_MODES = {"removals": "remap", "usernames": "remap", "updates": "full", "identities": "full", "additions": "full"}

_MOST_SCHOOLS = 8


def mode(held: Held) -> str:
    """The mode of the run that puts an approval into effect."""
    return "full" if held.is_first_absence else _MODES[held.kind]


def next_command(held: Held) -> str:
    """The command that puts an approval into effect."""
    return f"rollcall sync {held.district} --{mode(held)}"


def what(held: Held) -> str:
    """`the removal of 1 schools and orgs at Maple High, with 312 people`."""
    main = held.main_table
    rows = held.tables.get(main, 0 if held.tables else held.rows) if held.names_rows else held.rows
    at = f" at {held.school_name}" if held.school else ""
    along = [f"{count:,} {_things(table)}" for table, count in sorted(held.tables.items()) if table != main]
    also = f", with {', '.join(along)}" if along else ""
    return _WHAT[held.kind].format(rows=f"{rows:,}", things=_things(held.collection)) + at + also


def _things(table: str) -> str:
    return _THINGS.get(table, table.replace("_", " "))


def stands(held: Held) -> str:
    """Where the hold stands, in a sentence."""
    decided = f"by {held.decided_by} on {_at(held.decided_at)}: {held.because or 'no reason given'}"
    if held.status == "closed":
        return f"closed on {_at(held.closed_at)}: {_CLOSED.get(held.closed_because or '', held.closed_because)}"
    if held.status == "approved":
        rows = f"{held.approved_rows:,} rows " if held.names_rows else ""
        return f"{rows}approved until {_at(held.expires_at)}, {decided}"
    if held.status == "rejected":
        return f"rejected {decided}"
    if held.status == "announced":
        return "announced: missing for the first time, nothing is withheld yet; a second complete pull will hold it"
    if held.expires_at is not None:
        return f"open again: the approval {decided} was not used within {APPROVAL_HOURS} hours"
    return "open: somebody has to decide"


def described(held: Held, where: Sequence[dict[str, Any]]) -> list[tuple[str, str]]:
    """What there is to know before deciding, line by line.

    :param where: what `reading.schools` gives.
    """
    of = f" (readers have {held.published:,})" if held.published else ""
    lines = [
        ("Held", f"{what(held)}{of}"),
        ("Stands", stands(held)),
        ("Since", f"{_at(held.opened_at)}, met last on {_at(held.last_seen_at)}"),
        ("Where", _where(where) if held.names_rows else ""),
        ("Looks like", held.looks_like),
        ("Not like", held.looks_not_like),
    ]
    if held.status != "closed":
        lines += _outcomes(held)
    return [(label, text) for label, text in lines if text]


def _outcomes(held: Held) -> list[tuple[str, str]]:
    meanwhile = f"everything else is published every night; these {_MEANWHILE[held.kind]}"
    approve = f"with the next publication {_APPROVE[held.kind]}; unused, an approval ends after {APPROVAL_HOURS} hours"
    reject = f"{_REJECT[held.kind]}; asked again only when more rows join"
    nothing = "it waits as it is and is found anew every night; waiting never removes or changes anything"
    if held.kind == "additions":
        meanwhile = f"these {_MEANWHILE[held.kind]}; every night asks for all of them again"
        reject = _REJECT[held.kind]
        nothing = "the first pull that is proven complete is published by itself"
    return [("Meanwhile", meanwhile), ("Approve", approve), ("Reject", reject), ("Nothing", nothing)]


def subject(held: Held) -> str:
    """The headline of a required action."""
    return f"{held.district_name}: {what(held)}"


def body(held: Held, where: Sequence[dict[str, Any]]) -> str:
    """A required action's text in Markdown: counts and schools only, for it lies in Airflow's database (rule 8)."""
    lines = [f"- **{label}:** {text}" for label, text in described(held, where)]
    command = f"`rollcall holds show {held.hold_id}` names the people; `rollcall holds approve` can leave some out."
    return "\n".join([*lines, "", command])


def _where(where: Sequence[dict[str, Any]]) -> str:
    shown = [f"{row['name']} {row['rows']:,}" for row in where[:_MOST_SCHOOLS]]
    more = where[_MOST_SCHOOLS:]
    if more:
        shown.append(f"{len(more)} more {sum(row['rows'] for row in more):,}")
    return " · ".join(shown)


def _at(when: datetime | None) -> str:
    return f"{when:%Y-%m-%d %H:%M %Z}" if when else "-"
