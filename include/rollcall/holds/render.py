"""What a hold says to people: on a terminal, and in Airflow's required actions, where no person is named."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from rollcall.display.dates import format_instant
from rollcall.display.printable import markdown_text
from rollcall.holds.queries import HoldDetails

#: How long an approval waits for the publication that uses it.
APPROVAL_HOURS = 24

#: Tables whose rows have another name for people: one, several.
_THINGS = {
    "orgs": ("org", "schools and orgs"),
    "users": ("person", "people"),
    "user_roles": ("role", "roles"),
    "user_agents": ("relation", "relations"),
    "classes": ("class", "classes"),
    "demographics": ("demographics record", "demographics"),
}
_SUBJECT = {
    "removals": "the removal of {rows} {things}",
    "updates": "changes to {rows} {things}",
    "usernames": "new usernames for {rows} {accounts}",
    "identities": "{rows} {records} of {things} with new IDs, or with another person's data",
    "additions": "the first publication of {things}, {rows} received",
}
_MEANWHILE = {
    "removals": "these stay published as they are",
    "updates": "these keep their old values",
    "usernames": "these keep the usernames they have",
    "identities": "these stay as they are: the new IDs are not added, the old IDs are not removed",
    "additions": "these and the records that refer to them are not published; of a first roster, nothing is published",
}
_APPROVE = {
    "removals": "removes them and everything that belongs to them",
    "updates": "publishes the changes",
    "usernames": "gives them the new usernames",
    "identities": "publishes the new IDs and removes the old ones",
    "additions": "publishes what that pull receives, even if some are missing, but not if it receives fewer",
}
_REJECT = {
    "removals": "they are kept",
    "updates": "the old values are kept",
    "usernames": "the old usernames are kept",
    "identities": "the old IDs are kept",
    "additions": "they stay out until a pull is proven complete",
}
_CLOSED = {
    "published": "its rows were published",
    "came_back": "its rows were received again",
    "gone": "a complete run found nothing left to hold",
}
#: The mode of the run that applies an approval. Removals and usernames need only what is published already. The others
#: need a pull, because their content is stored nowhere.
_MODES = {"removals": "remap", "usernames": "remap", "updates": "full", "identities": "full", "additions": "full"}

_MAX_SCHOOLS = 8


def apply_mode(hold: HoldDetails) -> str:
    """The mode of the run that applies an approval."""
    return "full" if hold.is_first_absence else _MODES[hold.kind]


def apply_command(hold: HoldDetails) -> str:
    """The command that applies an approval."""
    return f"rollcall sync {hold.district} --{apply_mode(hold)}"


def summarize(hold: HoldDetails) -> str:
    """`the removal of 1 org at Maple High, with 312 people`."""
    main = hold.main_table
    rows = hold.tables.get(main, 0 if hold.tables else hold.rows) if hold.lists_rows else hold.rows
    at = f" at {hold.school_name}" if hold.school else ""
    others = [f"{count:,} {_things(table, count)}" for table, count in sorted(hold.tables.items()) if table != main]
    also = f", with {', '.join(others)}" if others else ""
    words = {
        "rows": f"{rows:,}",
        "things": _things(hold.collection, rows if hold.kind in ("removals", "updates") else 2),
        "accounts": "account" if rows == 1 else "accounts",
        "records": "record" if rows == 1 else "records",
    }
    return _SUBJECT[hold.kind].format(**words) + at + also


def _things(table: str, number: int) -> str:
    plural = table.replace("_", " ")
    return _THINGS.get(table, (plural.removesuffix("s"), plural))[number != 1]


def render_status(hold: HoldDetails) -> str:
    """The hold's status and the decision behind it, as a phrase."""
    decision = f"by {hold.decided_by} on {_time(hold, hold.decided_at)}: {hold.reason or 'no reason given'}"
    if hold.status == "closed":
        return f"closed on {_time(hold, hold.closed_at)}: {_CLOSED.get(hold.closed_reason or '', hold.closed_reason)}"
    if hold.status == "approved":
        rows = f"{hold.approved_rows:,} rows " if hold.lists_rows else ""
        return f"{rows}approved until {_time(hold, hold.expires_at)}, {decision}"
    if hold.status == "rejected":
        return f"rejected {decision}"
    if hold.status == "announced":
        return "announced: missing for the first time, nothing is withheld yet; a second complete pull will hold it"
    if hold.expires_at is not None:
        return f"open again: the approval {decision} was not used within {APPROVAL_HOURS} hours"
    return "open: needs a decision"


def render_details(hold: HoldDetails, schools: Sequence[dict[str, Any]]) -> list[tuple[str, str]]:
    """What to know before deciding, as labels and texts.

    :param schools: from `queries.rows_by_school`.
    """
    published = f" ({hold.published:,} published)" if hold.published else ""
    lines = [
        ("Held", f"{summarize(hold)}{published}"),
        ("Status", render_status(hold)),
        (
            "Since",
            f"{_time(hold, hold.opened_at)}, last seen {_time(hold, hold.last_seen_at)}",
        ),
        ("Where", _render_schools(schools) if hold.lists_rows else ""),
        ("Looks like", hold.looks_like),
        ("Not like", hold.looks_not_like),
    ]
    if hold.status != "closed":
        lines += _outcomes(hold)
    return [(label, text) for label, text in lines if text]


def _outcomes(hold: HoldDetails) -> list[tuple[str, str]]:
    meanwhile = f"everything else is published every night; {_MEANWHILE[hold.kind]}"
    approve = f"the next publication {_APPROVE[hold.kind]}; an unused approval ends after {APPROVAL_HOURS} hours"
    reject = f"{_REJECT[hold.kind]}; you are asked again only when more rows are added"
    nothing = "the hold stays open and is checked every night; waiting never removes or changes anything"
    if hold.kind == "additions":
        meanwhile = f"{_MEANWHILE[hold.kind]}; every night requests all of them again"
        reject = _REJECT[hold.kind]
        nothing = "the first pull that is proven complete is published automatically"
    return [("Meanwhile", meanwhile), ("Approve", approve), ("Reject", reject), ("Nothing", nothing)]


def render_subject(hold: HoldDetails) -> str:
    """The headline of a required action."""
    return f"{hold.district_name}: {summarize(hold)}"


def render_body(hold: HoldDetails, schools: Sequence[dict[str, Any]]) -> str:
    """A required action's text in Markdown. Counts and schools only: Airflow stores it (rule 8)."""
    lines = [f"- **{label}:** {markdown_text(text)}" for label, text in render_details(hold, schools)]
    command = (
        f"`rollcall holds show {hold.command_arguments}` lists the people; `rollcall holds approve` can leave some out."
    )
    return "\n".join([*lines, "", command])


def _render_schools(schools: Sequence[dict[str, Any]]) -> str:
    shown = [f"{row['name']} {row['rows']:,}" for row in schools[:_MAX_SCHOOLS]]
    more = schools[_MAX_SCHOOLS:]
    if more:
        shown.append(f"{len(more)} more {sum(row['rows'] for row in more):,}")
    return " · ".join(shown)


def _time(hold: HoldDetails, when: datetime | None) -> str:
    return format_instant(when, hold.timezone)
