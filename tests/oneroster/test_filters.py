"""Asking for what was modified, and finding out whether the provider listens."""

from datetime import UTC, datetime, timedelta, timezone

import pytest

from rollcall.oneroster import modified_since
from rollcall.oneroster.errors import EndpointNotFound, FilterUnanswered, PermissionRefused, ProviderUnavailable


@pytest.mark.parametrize(
    ("moment", "reported"),
    [
        (datetime(2026, 11, 20, 8, 15, 30, 123456, tzinfo=UTC), "2026-11-20T08:15:30.123Z"),
        (datetime(2026, 11, 20, 2, 15, tzinfo=timezone(timedelta(hours=-6))), "2026-11-20T08:15:00.000Z"),
        # ISO's week-numbering year of these days is another one
        (datetime(2027, 1, 1, tzinfo=UTC), "2027-01-01T00:00:00.000Z"),
        (datetime(2024, 12, 30, 23, 59, tzinfo=UTC), "2024-12-30T23:59:00.000Z"),
    ],
)
def test_a_moment_is_told_in_utc_with_its_calendar_year(moment, reported):
    assert modified_since(moment) == f"dateLastModified>'{reported}'"


def test_a_moment_without_a_time_zone_is_refused():
    with pytest.raises(ValueError, match="time zone"):
        modified_since(datetime(2026, 11, 20))


@pytest.mark.parametrize("total", [None, 3])
def test_a_provider_that_serves_rows_of_the_future_ignores_the_filter(provide, connect, paged, total):
    provider = provide(paged(3, total=total))

    assert connect(provider).filter_support("orgs") == "ignored"
    (asked,) = provider.data_requests()
    assert (asked.query["limit"], asked.query["filter"]) == ("1", "dateLastModified>'2079-01-01T00:00:00.000Z'")


def filtering(paged, behind):
    pages = paged(3, total=3)
    return lambda asked: behind if "filter" in asked.query else pages(asked)


@pytest.mark.parametrize(
    ("status", "body", "headers", "answer"),
    [
        (200, {"orgs": []}, {}, "obeyed"),
        (200, {"orgs": []}, {"X-Total-Count": "0"}, "obeyed"),
        (200, {"orgs": []}, {"X-Total-Count": "3"}, "ignored"),
        (200, [], {"X-Total-Count": "0"}, "obeyed"),
        (200, [], {}, "unanswered"),
        # without a list only a total tells: such an answer may also mean that the filter was not understood
        (200, b"", {"X-Total-Count": "0"}, "obeyed"),
        (204, b"", {"X-Total-Count": "0"}, "obeyed"),
        (200, {}, {"X-Total-Count": "0"}, "obeyed"),
        (200, b"", {}, "unanswered"),
        (200, b" \n", {"X-Total-Count": "3"}, "unanswered"),
        (204, b"", {}, "unanswered"),
        (200, {}, {}, "unanswered"),
        (404, {}, {}, "unanswered"),
        (400, {}, {}, "refused"),
    ],
)
def test_every_way_to_say_nothing(provide, connect, paged, reply, status, body, headers, answer):
    provider = provide(filtering(paged, reply(body, status, headers)))

    assert connect(provider).filter_support("orgs") == answer


SINCE = modified_since(datetime(2026, 11, 20, tzinfo=UTC))


@pytest.mark.parametrize(("status", "body"), [(200, b""), (204, b""), (200, {}), (200, []), (404, {})])
def test_no_list_for_a_filter_is_no_empty_list_and_is_not_tried_again(provide, connect, paged, reply, status, body):
    provider = provide(filtering(paged, reply(body, status)))
    reader = connect(provider).pages("orgs", filter=SINCE)
    with pytest.raises(FilterUnanswered) as refused:
        list(reader)

    assert refused.value.code == "filter_unanswered"
    assert len([asked for asked in provider.data_requests() if "filter" in asked.query]) == 1


@pytest.mark.parametrize(
    ("status", "body", "kind"), [(200, b"", "empty_page"), (204, b"", "empty_page"), (200, [], "total")]
)
def test_a_total_of_zero_says_that_nothing_was_modified(provide, connect, paged, reply, status, body, kind):
    reader = connect(provide(filtering(paged, reply(body, status, {"X-Total-Count": "0"})))).pages("orgs", filter=SINCE)

    assert list(reader) == []
    assert (reader.proof.kind, reader.proof.received) == (kind, 0)


@pytest.mark.parametrize(("most", "total"), [(2, None), (2, 3), (10, 3)])
def test_204_behind_the_rows_of_a_filter_is_their_end(provide, connect, paged, reply, most, total):
    reader = connect(provide(paged(3, most=most, total=total, behind=reply(b"", 204)))).pages("orgs", filter=SINCE)

    assert [record.sourced_id for page in reader for record in page.records] == ["o0", "o1", "o2"]
    assert reader.proof.proven


def test_an_empty_answer_without_a_filter_stays_an_error(provide, connect, reply):
    """However long it is tried: a collection is never taken for empty because nothing came (rule 1)."""
    provider = provide(lambda asked: reply(b"") if asked.path.endswith("users") else reply({"orgs": []}))
    with pytest.raises(ProviderUnavailable) as refused:
        list(connect(provider).pages("users"))

    assert refused.value.code == "answer_cut_off"


def test_a_collection_that_is_missing_is_so_with_a_filter_too(provide, connect, paged, reply):
    pages = paged(3, total=3)
    provider = provide(lambda asked: reply({}, 404) if asked.path.endswith("courses") else pages(asked))
    with pytest.raises(EndpointNotFound):
        list(connect(provider).pages("courses", filter=SINCE))


def test_what_is_not_shared_says_nothing_of_the_filter(provide, connect, paged, reply):
    with pytest.raises(PermissionRefused):
        connect(provide(filtering(paged, reply({}, 403)))).filter_support("orgs")
