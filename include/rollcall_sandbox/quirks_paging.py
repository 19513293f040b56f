"""Quirks of paging: how long pages are, what is said about the total, and how rows move while they are read."""

from __future__ import annotations

from collections.abc import Callable

from rollcall_sandbox.quirk import Answer, Ask, Quirk
from rollcall_sandbox.rendering import Row
from rollcall_sandbox.status_info import Refused

_CLAMPS = (50, 100, 500, 1000, 3000, 10000)
_DOUBLED = 3
_MOST_PEOPLE = 100
_MOST_ACCEPTED = 100
_OTHER_ENVELOPES = {"users": "students", "orgs": "schools", "academicSessions": "terms"}


def _clamp(most: int) -> Callable[[Ask], None]:
    def asks(ask: Ask) -> None:
        ask.limit = min(ask.limit, most)

    return asks


def _refuses_limits(status: int) -> Callable[[Ask], None]:
    def asks(ask: Ask) -> None:
        if ask.limit > _MOST_ACCEPTED:
            raise Refused(status, "invaliddata", f"limit must be between 1 and {_MOST_ACCEPTED}.")

    return asks


def _offset_ignored(ask: Ask) -> None:
    ask.offset = 0


def _filter_ignored(ask: Ask) -> None:
    ask.filter = None


def _says(*, total: bool, links: bool) -> Callable[[Answer], None]:
    def answers(answer: Answer) -> None:
        answer.has_total, answer.has_links = total, links

    return answers


def _total_in_body(answer: Answer) -> None:
    _says(total=False, links=False)(answer)
    answer.extra_members |= {"totalCount": answer.total, "limit": answer.ask.limit, "offset": answer.ask.offset}


def _total_grows(*, always: bool) -> Callable[[Answer], None]:
    def answers(answer: Answer) -> None:
        if answer.ask.offset and (always or answer.ask.later_pages == 0):
            answer.total += 1

    return answers


def _past_the_end(status: int) -> Callable[[Answer], None]:
    def answers(answer: Answer) -> None:
        if answer.ask.offset and answer.ask.offset >= len(answer.rows):
            answer.status = status

    return answers


def _nothing_left(*, status: int = 200, total: bool = False) -> Callable[[Answer], None]:
    """No list where a filter leaves nothing."""

    def answers(answer: Answer) -> None:
        if answer.ask.filter and not answer.rows:
            answer.status, answer.has_body = status, False
            _says(total=total, links=False)(answer)

    return answers


def _page_one_again(answer: Answer) -> None:
    if answer.ask.offset >= len(answer.rows):
        answer.start, answer.stop = 0, answer.ask.limit


def _row_comes(*, always: bool) -> Callable[[Ask, list[Row]], list[Row]]:
    """The first row was entered after page one had been read: what stood on a page stands one place later."""

    def arranges(ask: Ask, rows: list[Row]) -> list[Row]:
        is_missing = ask.offset == 0 and (always or ask.later_pages == 0)
        return rows[1:] if is_missing else rows

    return arranges


def _row_goes(ask: Ask, rows: list[Row]) -> list[Row]:
    """A row stood before all others while page one was read: what comes after it stands one place earlier."""
    return [*rows[-1:], *rows] if ask.offset == 0 and ask.later_pages == 0 else rows


def _unstable(ask: Ask, rows: list[Row]) -> list[Row]:
    if ask.sort or not ask.offset:
        return rows
    return sorted(rows, key=lambda row: (row.modified, row.sourced_id))


def _doubled(_: Ask, rows: list[Row]) -> list[Row]:
    return [*rows, *rows[:_DOUBLED]]


def _other_envelope(answer: Answer) -> None:
    resource = answer.ask.resource.rpartition("/")[2]
    answer.envelope = _OTHER_ENVELOPES.get(resource, resource if resource != answer.envelope else "items")


def _bare_list(answer: Answer) -> None:
    answer.envelope = ""


def _cut_off(answer: Answer) -> None:
    if answer.ask.resource == "users":
        answer.rows = answer.rows[:_MOST_PEOPLE]


def _no_envelope(answer: Answer) -> None:
    if answer.ask.resource == "users":
        answer.envelope = None


def _status_block(answer: Answer) -> None:
    answer.extra_members["statusInfoSet"] = [
        {"imsx_codeMajor": "success", "imsx_severity": "status", "imsx_codeMinor": "full success"}
    ]


PAGING = {
    f"clamp-{most}": Quirk(
        f"a limit above {most} is silently lowered to {most}", provider, group="clamp", asks=_clamp(most)
    )
    for most, provider in zip(
        _CLAMPS, ("small servers", "small servers", "Ed-Fi", "PowerSchool", "Timeback", "Ed-Fi at most"), strict=True
    )
} | {
    f"limit-refused-{status}": Quirk(
        f"a limit above {_MOST_ACCEPTED} is refused with {status}", provider, group="clamp",
        asks=_refuses_limits(status),
    )
    for status, provider in ((400, "openAIP"), (413, "gateways"), (422, "Ed-Fi Data Management Service"))
} | {
    "no-totals": Quirk(
        "neither X-Total-Count nor Link", "Ed-Fi", group="totals", answers=_says(total=False, links=False)
    ),
    "totals-only": Quirk(
        "X-Total-Count without Link", "many", group="totals", answers=_says(total=True, links=False)
    ),
    "links-only": Quirk(
        "Link without X-Total-Count", "many", group="totals", answers=_says(total=False, links=True)
    ),
    "total-in-body": Quirk(
        "the total is `totalCount` in the body, not in a header", "Timeback", group="totals", answers=_total_in_body
    ),
    "repeat-page-one": Quirk(
        "the offset is ignored", "1.1 servers without paging", group="past the end", asks=_offset_ignored
    ),
    "past-end-404": Quirk(
        "behind the last row 404", "suspected of several", group="past the end", answers=_past_the_end(404)
    ),
    "past-end-204": Quirk("behind the last row 204", "RIC One", group="past the end", answers=_past_the_end(204)),
    "past-end-page-one": Quirk(
        "behind the last row page one again", "suspected of several", group="past the end", answers=_page_one_again
    ),
    "count-changes": Quirk(
        "the total is one more from the second page on, every time",
        "any while people enter data",
        group="total changes",
        answers=_total_grows(always=True),
    ),
    "count-changes-once": Quirk(
        "the total is one more on the second page, the first time",
        "any while people enter data",
        group="total changes",
        answers=_total_grows(always=False),
    ),
    "row-comes-once": Quirk(
        "a row is entered at the front after page one was read for the first time",
        "any while people enter data",
        group="rows move",
        arranges=_row_comes(always=False),
    ),
    "row-comes-always": Quirk(
        "a row is entered at the front after page one, every time",
        "any while people enter data",
        group="rows move",
        arranges=_row_comes(always=True),
    ),
    "row-goes-once": Quirk(
        "a row at the front is deleted after page one was read for the first time",
        "any while people enter data",
        group="rows move",
        arranges=_row_goes,
    ),
    "cut-off": Quirk(
        f"people end after {_MOST_PEOPLE} rows, whatever the total says",
        "servers that cut a list off at 1,000 or 5,000 rows",
        answers=_cut_off,
    ),
    "unstable-sort": Quirk(
        "pages after the first are in another order, unless `sort` is asked for",
        "servers that page without an order",
        group="rows move",
        arranges=_unstable,
    ),
    "duplicate-rows": Quirk(
        f"the first {_DOUBLED} rows stand at the end once more, and are counted", "any", arranges=_doubled
    ),
    "nothing-left-empty": Quirk(
        "200 with an empty body where a filter leaves nothing", "servers by hand", group="nothing left",
        answers=_nothing_left(),
    ),
    "nothing-left-empty-total": Quirk(
        "200 with an empty body and X-Total-Count: 0 where a filter leaves nothing", "servers by hand",
        group="nothing left", answers=_nothing_left(total=True),
    ),
    "nothing-left-204": Quirk(
        "204 where a filter leaves nothing", "RIC One", group="nothing left", answers=_nothing_left(status=204)
    ),
    "nothing-left-404": Quirk(
        "404 where a filter leaves nothing", "suspected of several", group="nothing left",
        answers=_nothing_left(status=404),
    ),
    "filter-ignored": Quirk("the filter is ignored", "HelloID's field notes", asks=_filter_ignored),
    "other-envelopes": Quirk(
        "lists come under other names: users as `students`, orgs as `schools`, academicSessions as `terms`",
        "Masterjx9's server, Microsoft's collection",
        group="envelope",
        answers=_other_envelope,
    ),
    "bare-list": Quirk("a list without an object around it", "servers by hand", group="envelope", answers=_bare_list),
    "missing-envelope": Quirk("/users answers 200 with {}", "ClassLink", group="envelope", answers=_no_envelope),
    "status-block": Quirk(
        "the body has a list `statusInfoSet` next to the records", "RIC One", versions=frozenset({"1.1"}),
        answers=_status_block,
    ),
}  # fmt: skip
