"""Asking for what was modified, and finding out whether the provider listens."""

from datetime import UTC, datetime, timedelta, timezone

import pytest

from include.oneroster import modified_since
from include.oneroster.errors import NotOffered, PermissionRefused


@pytest.mark.parametrize(
    ("moment", "told"),
    [
        (datetime(2026, 11, 20, 8, 15, 30, 123456, tzinfo=UTC), "2026-11-20T08:15:30.123Z"),
        (datetime(2026, 11, 20, 2, 15, tzinfo=timezone(timedelta(hours=-6))), "2026-11-20T08:15:00.000Z"),
        # ISO's week-numbering year of these days is another one
        (datetime(2027, 1, 1, tzinfo=UTC), "2027-01-01T00:00:00.000Z"),
        (datetime(2024, 12, 30, 23, 59, tzinfo=UTC), "2024-12-30T23:59:00.000Z"),
    ],
)
def test_a_moment_is_told_in_utc_with_its_calendar_year(moment, told):
    assert modified_since(moment) == f"dateLastModified>'{told}'"


def test_a_moment_without_a_time_zone_is_refused():
    with pytest.raises(ValueError, match="time zone"):
        modified_since(datetime(2026, 11, 20))


@pytest.mark.parametrize("total", [None, 3])
def test_a_provider_that_serves_rows_of_the_future_ignores_the_filter(provide, connect, paged, total):
    provider = provide(paged(3, total=total))

    assert connect(provider).obeys_filter("orgs") is False
    (asked,) = provider.data_requests()
    assert (asked.query["limit"], asked.query["filter"]) == ("1", "dateLastModified>'2079-01-01T00:00:00.000Z'")


def filtering(paged, behind):
    pages = paged(3, total=3)
    return lambda asked: behind if "filter" in asked.query else pages(asked)


@pytest.mark.parametrize(
    ("status", "body", "headers", "obeys"),
    [
        (200, {"orgs": []}, {}, True),
        (200, {"orgs": []}, {"X-Total-Count": "0"}, True),
        (200, {"orgs": []}, {"X-Total-Count": "3"}, False),
        (204, b"", {}, True),
        (404, {}, {}, True),  # nothing found, though the collection is there
        (400, {}, {}, False),
    ],
)
def test_every_way_to_say_nothing(provide, connect, paged, said, status, body, headers, obeys):
    provider = provide(filtering(paged, said(body, status, headers)))

    assert connect(provider).obeys_filter("orgs") is obeys


def test_a_filter_that_leaves_nothing_is_an_empty_collection_and_not_a_missing_one(provide, connect, paged, said):
    reader = connect(provide(filtering(paged, said({}, 404)))).pages("orgs", filter=modified_since(datetime.now(UTC)))
    assert list(reader) == []
    assert (reader.proof.kind, reader.proof.received) == ("empty_page", 0)

    pages = paged(3, total=3)
    provider = provide(lambda asked: said({}, 404) if asked.path.endswith("courses") else pages(asked))
    with pytest.raises(NotOffered):
        list(connect(provider).pages("courses", filter=modified_since(datetime.now(UTC))))


def test_what_is_not_shared_says_nothing_of_the_filter(provide, connect, paged, said):
    with pytest.raises(PermissionRefused):
        connect(provide(filtering(paged, said({}, 403)))).obeys_filter("orgs")
