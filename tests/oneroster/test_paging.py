"""No row is lost without being noticed: rule 1, one provider behavior after the other."""

import pytest

from rollcall.oneroster.errors import (
    EndpointNotFound,
    InvalidResponse,
    PagingBroken,
    ProviderUnavailable,
    RequestRefused,
)
from tests.oneroster.conftest import orgs


def read(client, collection="orgs", **options):
    """The sourcedIds of the last attempt, and the proof."""
    reader = client.pages(collection, **options)
    ids = {1: [], 2: []}
    for page in reader:
        ids[page.attempt] += [record.sourced_id for record in page.records]
    return ids[reader.proof.attempt], reader.proof


def expected(count):
    return [f"o{number}" for number in range(count)]


@pytest.fixture
def roster(provide, connect):
    """Read a scripted collection of orgs, asking for 1,000 rows a page."""

    def start(script, **options):
        provider = provide(script)
        return provider, connect(provider, **{"page_size": 1000, **options})

    return start


# -- the four servers of the peers' table: 1,250 rows, 1,000 asked for


def test_all_headers_and_no_clamp(roster, paged):
    provider, client = roster(paged(1250, total=1250))
    ids, proof = read(client)

    assert ids == expected(1250)
    assert (proof.kind, proof.expected, proof.received, proof.unique) == ("total", 1250, 1250, 1250)
    assert (proof.pages, proof.rows_per_page, proof.reason, proof.proven) == (2, 1000, "", True)
    assert [asked.offset for asked in provider.data_requests()] == [0, 1000, 1250]
    assert {asked.query["limit"] for asked in provider.data_requests()} == {"1000"}


def test_a_clamp_to_500_without_any_header(roster, paged):
    provider, client = roster(paged(1250, most=500))
    ids, proof = read(client)

    assert ids == expected(1250)
    assert (proof.kind, proof.expected, proof.rows_per_page) == ("empty_page", None, 500)
    assert [asked.offset for asked in provider.data_requests()] == [0, 500, 1000, 1250]


def test_a_clamp_to_500_with_a_total(roster, paged):
    _, client = roster(paged(1500, most=500, total=1500), page_size=5000)
    ids, proof = read(client)

    assert ids == expected(1500)
    assert (proof.kind, proof.pages, proof.rows_per_page) == ("total", 3, 500)


def linked(script, reply, count, *, next_at="http://elsewhere.example/orgs?offset={}"):
    """The same pages with `Link` and without a total."""

    def answer(asked):
        page = script(asked)
        after = asked.offset + 500
        rels = ['<http://elsewhere.example/orgs>; rel="first"']
        if after < count:
            rels.append(f'<{next_at.format(after)}>; rel="next"')
        return reply(page.body, headers={"Link": ", ".join(rels)})

    return answer


def test_a_clamp_to_500_with_links_only_and_no_link_is_followed(roster, paged, reply):
    provider, client = roster(linked(paged(1250, most=500), reply, 1250))
    ids, proof = read(client)

    assert ids == expected(1250)
    assert (proof.kind, proof.pages) == ("link_end", 3)
    assert [asked.offset for asked in provider.data_requests()] == [0, 500, 1000]


def test_links_that_never_have_a_next_prove_nothing(roster, paged, reply):
    _, client = roster(linked(paged(1250, most=500), reply, 0))
    ids, proof = read(client)

    assert ids == expected(1250)
    assert proof.kind == "empty_page"


# -- ends


def test_an_empty_collection_with_and_without_a_total(roster, paged):
    assert read(roster(paged(0, total=0))[1])[1].kind == "total"
    assert read(roster(paged(0))[1])[1].kind == "empty_page"


def test_204_with_a_total_above_zero_is_no_empty_collection(roster, paged, reply):
    other = paged(1, total=1)
    nothing = reply(b"", 204, {"X-Total-Count": "500"})
    _, client = roster(lambda asked: other(asked) if asked.path.endswith("/orgs") else nothing)
    with pytest.raises(InvalidResponse) as refused:
        read(client, "courses")

    assert refused.value.code == "envelope_missing"


def test_a_bare_list_is_empty_where_a_total_says_so(roster, paged, reply):
    """Providers without envelopes have empty collections too; without a total it stays a missing envelope."""
    other = paged(1, total=1)
    empty = reply([], headers={"X-Total-Count": "0"})
    _, client = roster(lambda asked: other(asked) if asked.path.endswith("/orgs") else empty)
    ids, proof = read(client, "courses")

    assert (ids, proof.kind, proof.expected) == ([], "total", 0)


@pytest.mark.parametrize("status", [204, 404])
def test_no_page_behind_the_last_is_an_empty_page(roster, paged, reply, status):
    _, client = roster(paged(1250, most=500, behind=reply(b"", status)))
    ids, proof = read(client)

    assert (len(ids), proof.kind) == (1250, "empty_page")


def test_204_is_an_empty_collection_and_404_is_none(roster, reply, paged):
    other = paged(1, total=1)
    empty = roster(lambda asked: other(asked) if asked.path.endswith("/orgs") else reply(b"", 204))[1]
    assert read(empty, "courses")[1].kind == "empty_page"
    missing = roster(lambda asked: other(asked) if asked.path.endswith("/orgs") else reply(b"", 404))[1]
    with pytest.raises(EndpointNotFound):
        read(missing, "courses")


@pytest.mark.parametrize("status", [400, 404, 500])
def test_a_provider_that_dislikes_offsets_behind_a_met_total_has_met_it(roster, paged, reply, status):
    provider, client = roster(paged(1250, total=1250, behind=reply({}, status)))
    ids, proof = read(client)

    assert (len(ids), proof.kind) == (1250, "total")
    assert len(provider.data_requests()) == 3  # nothing is tried twice behind the end


def test_without_a_total_a_refusal_behind_the_last_page_is_no_end(roster, paged, reply):
    with pytest.raises(RequestRefused):
        read(roster(paged(1250, most=500, behind=reply({}, 400)))[1])
    with pytest.raises(ProviderUnavailable):
        read(roster(paged(1250, most=500, behind=reply({}, 500)))[1])


def test_a_provider_that_repeats_its_only_page_behind_a_met_total(roster, paged, reply):
    pages = paged(7, total=7)
    _, client = roster(
        lambda asked: pages(asked) if not asked.offset else reply(_orgs(7), headers={"X-Total-Count": "7"})
    )
    ids, proof = read(client)

    assert (len(ids), proof.kind) == (7, "total")


def _orgs(count):
    return {"orgs": [{"sourcedId": f"o{number}"} for number in range(count)]}


# -- totals that are wrong


def test_fewer_rows_than_the_total_prove_nothing(roster, paged):
    ids, proof = read(roster(paged(1250, most=500, total=1300))[1])

    assert (len(ids), proof.kind, proof.proven) == (1250, "unproven", False)
    assert proof.reason == "1,250 of 1,300 rows in 3 pages of at most 500; read twice"
    assert (proof.attempt, proof.pages) == (2, 3)


def test_more_rows_than_the_total_are_all_read_and_prove_nothing(roster, paged):
    """A search engine behind a provider stops counting at 10,000."""
    ids, proof = read(roster(paged(1250, most=500, total=1000))[1])

    assert ids == expected(1250)
    assert (proof.kind, proof.expected, proof.received) == ("unproven", 1000, 1250)


@pytest.mark.parametrize("total", ["many", "-1", "1250.0", ""])
def test_a_total_that_is_no_number_says_nothing(roster, paged, reply, total):
    pages = paged(1250, most=500)
    _, client = roster(lambda asked: reply(pages(asked).body, headers={"X-Total-Count": total}))

    assert read(client)[1].kind == "empty_page"


def test_a_round_number_of_too_few_rows_reads_as_truncation(roster, paged):
    _, proof = read(roster(paged(5000, total=9871), page_size=5000)[1])

    assert (proof.kind, proof.expected, proof.received, proof.pages) == ("unproven", 9871, 5000, 1)
    assert proof.reason == "exactly 5,000 of 9,871 rows in 1 full page of 5,000: truncated?; read twice"
    _, proof = read(roster(paged(5000, total=9871, most=500), page_size=5000)[1])
    assert proof.reason.startswith("exactly 5,000 of 9,871 rows in 10 full pages of 500: truncated?")


@pytest.mark.parametrize("member", ["totalCount", "total", "count"])
@pytest.mark.parametrize("envelope", ["orgs", "schools"])
def test_a_total_in_the_body_proves_as_one_in_the_header_does(roster, paged, reply, member, envelope):
    pages = paged(1250, most=500)
    _, client = roster(lambda asked: reply({envelope: pages(asked).body["orgs"], member: 1250}))
    ids, proof = read(client)

    assert ids == expected(1250)
    assert (proof.kind, proof.expected, proof.pages) == ("total", 1250, 3)


def test_a_count_of_the_pages_own_rows_is_no_total(roster, paged, reply):
    pages = paged(1250, most=500)
    _, client = roster(lambda asked: reply({**pages(asked).body, "count": len(pages(asked).body["orgs"])}))
    ids, proof = read(client)

    assert (len(ids), proof.kind, proof.expected) == (1250, "empty_page", None)


# -- envelopes


@pytest.mark.parametrize(
    ("collection", "envelope"),
    [("orgs", "schools"), ("users", "students"), ("users", "teachers"), ("academic_sessions", "terms"), ("orgs", "")],
)
def test_another_envelope_or_none_is_read_to_its_end(roster, paged, reply, collection, envelope, caplog):
    pages = paged(1250, most=500)

    def other(asked):
        rows = pages(asked).body["orgs"]
        return reply({envelope: rows} if envelope else rows)

    with caplog.at_level("INFO"):
        ids, proof = read(roster(other)[1], collection)

    assert ids == expected(1250)
    assert proof.kind == "empty_page"
    assert (
        caplog.text.count(f"received in the envelope `{envelope}`" if envelope else "received without an envelope") == 1
    )


def test_an_empty_bare_list_is_no_end_where_pages_have_an_envelope(roster, paged, reply):
    with pytest.raises(InvalidResponse) as refused:
        read(roster(paged(1250, most=500, behind=reply([])))[1])
    assert refused.value.code == "envelope_missing"
    with pytest.raises(InvalidResponse):
        read(roster(lambda asked: reply([] if "offset" in asked.query else _orgs(1)))[1])


# -- one more reading


def in_readings(*scripts):
    """One script after the other, each until offset 0 is asked for again."""
    begun = []

    def answer(asked):
        if asked.query.get("offset") == "0":
            begun.append(asked)
        return scripts[max(0, min(len(begun), len(scripts)) - 1)](asked)

    return answer


def test_whatever_proves_nothing_is_read_once_more_and_may_then_be_proven(roster, paged, reply):
    right = paged(1000, most=500, total=1000)
    for wrong in (
        paged(900, most=500, total=1000),
        paged(1000, most=500, total=900),
        shifted(reply, 1000),
        shifted(reply, None),
        lambda asked: reply(_orgs(500), headers={"X-Total-Count": "1000"}),
    ):
        provider, client = roster(in_readings(wrong, right))
        ids, proof = read(client)

        assert ids == expected(1000)
        assert (proof.kind, proof.attempt, proof.received, proof.reason) == ("total", 2, 1000, "")
        assert [asked.offset for asked in provider.data_requests()].count(0) == 2


def test_a_proven_collection_is_read_once(roster, paged):
    provider, client = roster(paged(1250, most=500, total=1250))
    read(client)

    assert [asked.offset for asked in provider.data_requests()].count(0) == 1


def test_an_unstable_order_is_noticed(roster, paged, reply):
    """Rows change places between pages: what was skipped is as many as what came twice."""
    pages = paged(1000, most=500, total=1000)

    def unstable(asked):
        page = pages(asked)
        if asked.offset == 500:
            page.body["orgs"][0] = orgs(3, 1)[0]
        return page

    ids, proof = read(roster(unstable)[1])
    assert (len(ids), proof.kind, proof.attempt) == (999, "unproven", 2)
    assert "999 of 1,000 rows" in proof.reason
    assert "repeated on a later page: 1" in proof.reason


# -- data that moves


def moving(reply, changes):
    """1,250 rows with a total that grows by one at the offset-500 page of the first `changes` readings."""
    seen = []

    def answer(asked):
        if "offset" not in asked.query:
            return reply(_orgs(1))
        if asked.offset == 0:
            seen.append(asked)
        count = 1250 + min(len(seen), changes + 1) - (asked.offset == 0 or len(seen) > changes)
        rows = [{"sourcedId": f"o{number}"} for number in range(asked.offset, min(asked.offset + 500, count))]
        return reply({"orgs": rows}, headers={"X-Total-Count": str(count)})

    return answer


def test_a_total_that_changes_restarts_the_collection(roster, reply):
    provider, client = roster(moving(reply, 1), concurrency=1)
    ids, proof = read(client)

    assert ids == expected(1251)
    assert (proof.kind, proof.expected, proof.attempt, proof.pages) == ("total", 1251, 2, 3)
    assert [asked.offset for asked in provider.data_requests()] == [0, 500, 0, 500, 1000, 1251]


def test_a_total_that_changes_twice_is_unproven_and_read_to_its_end(roster, reply):
    ids, proof = read(roster(moving(reply, 2))[1])

    assert len(ids) == proof.unique == 1252
    assert (proof.kind, proof.attempt) == ("unproven", 2)
    assert "changed from 1,251 to 1,252" in proof.reason


def test_a_total_that_changes_on_the_empty_page_restarts_too(roster, paged, reply):
    pages = paged(7, total=7)
    behind = iter([reply(_orgs(0), headers={"X-Total-Count": "6"}), reply(_orgs(0), headers={"X-Total-Count": "7"})])
    _, client = roster(lambda asked: next(behind) if asked.offset else pages(asked))
    ids, proof = read(client)

    assert (len(ids), proof.kind, proof.attempt) == (7, "total", 2)


def test_the_total_of_an_empty_page_may_be_zero(roster, paged, reply):
    _, client = roster(paged(7, total=7, behind=reply(_orgs(0), headers={"X-Total-Count": "0"})))

    assert read(client)[1].kind == "total"


def shifted(reply, total):
    """A row that is inserted in front moves the last row of page one to page two."""

    def answer(asked):
        if "offset" not in asked.query:
            return reply(_orgs(1))
        numbers = range(0, 500) if asked.offset == 0 else range(asked.offset - 1, 999)
        headers = {} if total is None else {"X-Total-Count": str(total)}
        return reply({"orgs": [{"sourcedId": f"o{number}"} for number in numbers]}, headers=headers)

    return answer


@pytest.mark.parametrize("total", [None, 1000])
def test_a_row_that_comes_again_on_a_later_page_is_dropped_and_makes_it_unproven(roster, reply, total):
    ids, proof = read(roster(shifted(reply, total))[1])

    assert ids == expected(999)
    assert (proof.kind, proof.received, proof.unique) == ("unproven", 1000, 999)
    assert "repeated on a later page: 1" in proof.reason


def test_a_row_twice_on_one_page_is_dropped_and_counted(roster, reply):
    rows = [*_orgs(3)["orgs"], {"sourcedId": "o1"}]
    _, client = roster(lambda asked: reply({"orgs": [] if asked.offset else rows}, headers={"X-Total-Count": "4"}))
    ids, proof = read(client)

    assert ids == expected(3)
    assert (proof.kind, proof.received, proof.unique) == ("total", 4, 3)
    assert "repeated on the same page: 1" in proof.reason


@pytest.mark.parametrize("most", [1, 2, 3, 9])
@pytest.mark.parametrize("total", [None, 5])
def test_equally_new_rows_with_one_sourced_id_that_differ_are_all_handed_on_whatever_the_pages(
    most, total, roster, reply
):
    """A pupil at two schools, as some providers send it: no row is silently gone, and the collection is complete."""
    rows = [*orgs(0, 3), {**orgs(1, 1)[0], "name": "at another school"}, orgs(4, 1)[0]]
    headers = {} if total is None else {"X-Total-Count": str(total)}
    _, client = roster(
        lambda asked: reply({"orgs": rows[asked.offset : asked.offset + most]}, headers=headers), page_size=most
    )
    ids, proof = read(client)

    assert ids == ["o0", "o1", "o2", "o1", "o4"]
    assert (proof.received, proof.unique, proof.attempt) == (5, 4, 1)
    assert (proof.proven, proof.reason) == (True, "rows with a duplicate sourcedId and other content: 1")


# -- pages that repeat


@pytest.mark.parametrize("total", [None, 1250])
def test_a_provider_that_ignores_offset_fails(roster, reply, total):
    headers = {} if total is None else {"X-Total-Count": str(total)}
    _, client = roster(lambda asked: reply(_orgs(500), headers=headers))
    with pytest.raises(PagingBroken) as broken:
        read(client)

    assert broken.value.code == "page_repeated"


def test_a_repeated_page_of_records_nobody_can_identify_fails(roster, reply):
    _, client = roster(lambda asked: reply({"orgs": ["not a record"] * 3 if "offset" in asked.query else []}))
    with pytest.raises(PagingBroken) as broken:
        read(client)

    assert broken.value.code == "page_repeated"


@pytest.mark.parametrize(("limits", "code"), [({"pages": 20}, "pages_without_end"), ({"rows": 20}, "too_many_rows")])
def test_pages_without_end_fail(roster, reply, limits, code):
    provider, client = roster(lambda asked: reply({"orgs": [{"sourcedId": f"o{asked.offset}"}]}), limits=limits)
    with pytest.raises(InvalidResponse) as broken:
        read(client)

    assert broken.value.code == code
    assert "20" in broken.value.message
    assert f"extract.max_{next(iter(limits))}" in broken.value.remedy
    assert len(provider.data_requests()) <= 22


# -- the rest


def test_unreadable_records_count_as_received(roster, reply):
    rows = [*_orgs(3)["orgs"], 7, {"sourcedId": "o9", "name": []}, {"name": "x"}]
    _, client = roster(lambda asked: reply({"orgs": [] if asked.offset else rows}, headers={"X-Total-Count": "6"}))
    reader = client.pages("orgs")
    (page,) = list(reader)

    assert (page.offset, page.received, page.total, page.attempt) == (0, 6, 6, 1)
    assert [(bad.sourced_id, bad.code) for bad in page.unreadable] == [
        (None, "not_an_object"), ("o9", "wrong_type"), (None, "no_sourced_id"),
    ]  # fmt: skip
    assert (reader.proof.kind, reader.proof.received, reader.proof.unique, reader.proof.reason) == ("total", 6, 4, "")


def test_there_is_no_proof_before_the_last_page(roster, paged):
    _, client = roster(paged(1250, most=500))
    reader = client.pages("orgs")
    next(iter(reader))
    with pytest.raises(RuntimeError):
        _ = reader.proof


def test_the_filter_goes_with_every_page(roster, paged):
    provider, client = roster(paged(1250, most=500))
    read(client, filter="dateLastModified>'2026-11-20T00:00:00.000Z'")

    assert {asked.query["filter"] for asked in provider.data_requests()} == {
        "dateLastModified>'2026-11-20T00:00:00.000Z'"
    }
