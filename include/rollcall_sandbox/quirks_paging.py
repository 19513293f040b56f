"""Quirks of paging: page sizes, totals, links, and rows that move while they are read."""

from __future__ import annotations

from collections.abc import Callable

from rollcall_sandbox.quirk import PageRequest, PageResponse, Quirk
from rollcall_sandbox.rendering import Row
from rollcall_sandbox.status_info import Refused

_CLAMPS = (50, 100, 500, 1000, 3000, 10000)
_DOUBLED = 3
_MOST_PEOPLE = 100
_MOST_ACCEPTED = 100
_OTHER_ENVELOPES = {"users": "students", "orgs": "schools", "academicSessions": "terms"}


def _clamp(most: int) -> Callable[[PageRequest], None]:
    def change(request: PageRequest) -> None:
        request.limit = min(request.limit, most)

    return change


def _refuses_limits(status: int) -> Callable[[PageRequest], None]:
    def change(request: PageRequest) -> None:
        if request.limit > _MOST_ACCEPTED:
            raise Refused(status, "invaliddata", f"limit must be between 1 and {_MOST_ACCEPTED}.")

    return change


def _offset_ignored(request: PageRequest) -> None:
    request.offset = 0


def _filter_ignored(request: PageRequest) -> None:
    request.filter = None


def _says(*, total: bool, links: bool) -> Callable[[PageResponse], None]:
    def change(page: PageResponse) -> None:
        page.has_total, page.has_links = total, links

    return change


def _total_in_body(page: PageResponse) -> None:
    _says(total=False, links=False)(page)
    page.extra_members |= {"totalCount": page.total, "limit": page.request.limit, "offset": page.request.offset}


def _total_grows(*, always: bool) -> Callable[[PageResponse], None]:
    def change(page: PageResponse) -> None:
        if page.request.offset and (always or page.request.later_pages == 0):
            page.total += 1

    return change


def _past_the_end(status: int) -> Callable[[PageResponse], None]:
    def change(page: PageResponse) -> None:
        if page.request.offset and page.request.offset >= len(page.rows):
            page.status = status

    return change


def _nothing_left(*, status: int = 200, total: bool = False) -> Callable[[PageResponse], None]:
    """No list where a filter leaves nothing."""

    def change(page: PageResponse) -> None:
        if page.request.filter and not page.rows:
            page.status, page.has_body = status, False
            _says(total=total, links=False)(page)

    return change


def _page_one_again(page: PageResponse) -> None:
    if page.request.offset >= len(page.rows):
        page.start, page.stop = 0, page.request.limit


def _row_comes(*, always: bool) -> Callable[[PageRequest, list[Row]], list[Row]]:
    """The first row was added after page one was read, so every later row moves one place down."""

    def arranges(request: PageRequest, rows: list[Row]) -> list[Row]:
        is_missing = request.offset == 0 and (always or request.later_pages == 0)
        return rows[1:] if is_missing else rows

    return arranges


def _row_goes(request: PageRequest, rows: list[Row]) -> list[Row]:
    """A row before all others disappears after page one was read, so every later row moves one place up."""
    return [*rows[-1:], *rows] if request.offset == 0 and request.later_pages == 0 else rows


def _unstable(request: PageRequest, rows: list[Row]) -> list[Row]:
    if request.sort or not request.offset:
        return rows
    return sorted(rows, key=lambda row: (row.modified, row.sourced_id))


def _doubled(_: PageRequest, rows: list[Row]) -> list[Row]:
    return [*rows, *rows[:_DOUBLED]]


def _other_envelope(page: PageResponse) -> None:
    resource = page.request.resource.rpartition("/")[2]
    page.envelope = _OTHER_ENVELOPES.get(resource, resource if resource != page.envelope else "items")


def _bare_list(page: PageResponse) -> None:
    page.envelope = ""


def _cut_off(page: PageResponse) -> None:
    if page.request.resource == "users":
        page.rows = page.rows[:_MOST_PEOPLE]


def _no_envelope(page: PageResponse) -> None:
    if page.request.resource == "users":
        page.envelope = None


def _status_block(page: PageResponse) -> None:
    page.extra_members["statusInfoSet"] = [
        {"imsx_codeMajor": "success", "imsx_severity": "status", "imsx_codeMinor": "full success"}
    ]


PAGING = {
    f"clamp-{most}": Quirk(
        f"a limit above {most} is silently lowered to {most}", provider, group="clamp", changes_request=_clamp(most)
    )
    for most, provider in zip(
        _CLAMPS, ("small servers", "small servers", "Ed-Fi", "PowerSchool", "Timeback", "Ed-Fi at most"), strict=True
    )
} | {
    f"limit-refused-{status}": Quirk(
        f"a limit above {_MOST_ACCEPTED} is refused with {status}", provider, group="clamp",
        changes_request=_refuses_limits(status),
    )
    for status, provider in ((400, "openAIP"), (413, "gateways"), (422, "Ed-Fi Data Management Service"))
} | {
    "no-totals": Quirk(
        "neither X-Total-Count nor Link", "Ed-Fi", group="totals", changes_page=_says(total=False, links=False)
    ),
    "totals-only": Quirk(
        "X-Total-Count without Link", "many", group="totals", changes_page=_says(total=True, links=False)
    ),
    "links-only": Quirk(
        "Link without X-Total-Count", "many", group="totals", changes_page=_says(total=False, links=True)
    ),
    "total-in-body": Quirk(
        "the total is `totalCount` in the body, not in a header", "Timeback", group="totals",
        changes_page=_total_in_body,
    ),
    "repeat-page-one": Quirk(
        "the offset is ignored", "1.1 servers without paging", group="past the end", changes_request=_offset_ignored
    ),
    "past-end-404": Quirk(
        "after the last row, 404", "suspected of several", group="past the end", changes_page=_past_the_end(404)
    ),
    "past-end-204": Quirk("after the last row, 204", "RIC One", group="past the end", changes_page=_past_the_end(204)),
    "past-end-page-one": Quirk(
        "after the last row, page one again", "suspected of several", group="past the end", changes_page=_page_one_again
    ),
    "count-changes": Quirk(
        "the total is one more from the second page on, every time",
        "any while people enter data",
        group="total changes",
        changes_page=_total_grows(always=True),
    ),
    "count-changes-once": Quirk(
        "the total is one more on the second page, the first time",
        "any while people enter data",
        group="total changes",
        changes_page=_total_grows(always=False),
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
        f"people end after {_MOST_PEOPLE} rows, whatever the total is",
        "servers that cut a list off at 1,000 or 5,000 rows",
        changes_page=_cut_off,
    ),
    "unstable-sort": Quirk(
        "pages after the first are in another order, unless `sort` is requested",
        "servers that page without an order",
        group="rows move",
        arranges=_unstable,
    ),
    "duplicate-rows": Quirk(
        f"the first {_DOUBLED} rows are repeated at the end, and are counted", "any", arranges=_doubled
    ),
    "nothing-left-empty": Quirk(
        "200 with an empty body where a filter leaves nothing", "servers by hand", group="nothing left",
        changes_page=_nothing_left(),
    ),
    "nothing-left-empty-total": Quirk(
        "200 with an empty body and X-Total-Count: 0 where a filter leaves nothing", "servers by hand",
        group="nothing left", changes_page=_nothing_left(total=True),
    ),
    "nothing-left-204": Quirk(
        "204 where a filter leaves nothing", "RIC One", group="nothing left", changes_page=_nothing_left(status=204)
    ),
    "nothing-left-404": Quirk(
        "404 where a filter leaves nothing", "suspected of several", group="nothing left",
        changes_page=_nothing_left(status=404),
    ),
    "filter-ignored": Quirk("the filter is ignored", "HelloID's field notes", changes_request=_filter_ignored),
    "other-envelopes": Quirk(
        "lists have other names: users as `students`, orgs as `schools`, academicSessions as `terms`",
        "Masterjx9's server, Microsoft's collection",
        group="envelope",
        changes_page=_other_envelope,
    ),
    "bare-list": Quirk(
        "a list without an object around it", "servers by hand", group="envelope", changes_page=_bare_list
    ),
    "missing-envelope": Quirk("/users returns 200 with {}", "ClassLink", group="envelope", changes_page=_no_envelope),
    "status-block": Quirk(
        "the body has a list `statusInfoSet` next to the records", "RIC One", versions=frozenset({"1.1"}),
        changes_page=_status_block,
    ),
}  # fmt: skip
