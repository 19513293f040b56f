"""A reading that broke off goes on after its last good page, if that page is still what it was."""

import json
from dataclasses import asdict

import pytest

from rollcall.oneroster import Checkpoint, Retry
from rollcall.oneroster.errors import ProviderUnavailable


class Reading:
    """What a consumer keeps: the ids of each page, and the checkpoint of the last; void after a restart."""

    def __init__(self):
        self.ids = []
        self.checkpoint = None
        self.attempt = 1

    def take(self, reader):
        self.attempt = 1
        for page in reader:
            if page.attempt != self.attempt:
                self.ids, self.attempt = [], page.attempt
            self.ids += [record.sourced_id for record in page.records]
            self.checkpoint = page.checkpoint
        return reader.proof


def expected(count):
    return [f"o{number}" for number in range(count)]


def offsets(provider):
    return [asked.offset for asked in provider.data_requests()]


@pytest.fixture
def broken_off(provide, connect, paged, reply):
    """Read until a page fails for good; then the provider answers by another script, to another client."""

    def start(fails_at, then, *, count=1250, total=1250, concurrency=1):
        scripts = {"now": paged(count, most=200, total=total)}

        def answer(asked):
            return reply({}, 403) if asked.offset == fails_at and scripts.get("fails", True) else scripts["now"](asked)

        provider = provide(answer)
        reading = Reading()
        with pytest.raises(Exception, match="403"):
            reading.take(connect(provider, page_size=1000, concurrency=1).pages("orgs"))
        provider.asked.clear()
        scripts.update(now=then, fails=False)
        return provider, reading, connect(provider, page_size=1000, concurrency=concurrency)

    return start


@pytest.mark.parametrize("concurrency", [1, 4])
@pytest.mark.parametrize("fails_at", [200, 600, 1200])
def test_it_goes_on_after_the_last_good_page(broken_off, paged, fails_at, concurrency):
    provider, reading, client = broken_off(fails_at, paged(1250, most=200, total=1250), concurrency=concurrency)
    assert reading.ids == expected(fails_at)
    saved = Checkpoint(**json.loads(json.dumps(asdict(reading.checkpoint))))
    assert (saved.offset, saved.received, saved.total, saved.page_size) == (fails_at - 200, fails_at, 1250, 1000)
    proof = reading.take(client.pages("orgs", resume=saved, seen=list(reading.ids)))

    assert reading.ids == expected(1250)
    assert sorted(offsets(provider)) == [*range(fails_at - 200, 1250, 200), 1250]
    assert (proof.kind, proof.received, proof.unique, proof.pages, proof.attempt) == ("total", 1250, 1250, 7, 1)
    assert proof.rows_per_page == 200


def test_without_a_total_it_goes_on_too(broken_off, paged):
    provider, reading, client = broken_off(600, paged(1250, most=200), total=None)
    proof = reading.take(client.pages("orgs", resume=reading.checkpoint, seen=list(reading.ids)))

    assert reading.ids == expected(1250)
    assert offsets(provider) == [400, 600, 800, 1000, 1200, 1250]
    assert (proof.kind, proof.unique, proof.attempt) == ("empty_page", 1250, 1)


def test_a_last_page_that_is_another_now_begins_from_the_start(broken_off, paged, reply):
    pages = paged(1251, most=200, total=1251)

    def grown(asked):  # a new person comes first
        page = pages(asked)
        rows = [{"sourcedId": f"o{int(row['sourcedId'][1:]) - 1}"} for row in page.body["orgs"]]
        return reply({"orgs": rows}, headers=page.headers)

    provider, reading, client = broken_off(600, grown)
    proof = reading.take(client.pages("orgs", resume=reading.checkpoint, seen=list(reading.ids)))

    assert reading.ids == ["o-1", *expected(1250)]
    assert offsets(provider)[:3] == [400, 0, 200]
    assert (proof.kind, proof.attempt, proof.received) == ("total", 2, 1251)


@pytest.mark.parametrize("status", [404, 204])
def test_a_last_page_that_is_gone_begins_from_the_start(broken_off, paged, reply, status):
    _, reading, client = broken_off(600, paged(300, most=200, total=300, behind=reply(b"", status)))
    proof = reading.take(client.pages("orgs", resume=reading.checkpoint, seen=list(reading.ids)))

    assert reading.ids == expected(300)
    assert (proof.kind, proof.attempt) == ("total", 2)


def test_another_total_begins_from_the_start(broken_off, paged):
    _, reading, client = broken_off(600, paged(1251, most=200, total=1251))
    proof = reading.take(client.pages("orgs", resume=reading.checkpoint, seen=list(reading.ids)))

    assert reading.ids == expected(1251)
    assert (proof.kind, proof.attempt) == ("total", 2)


def test_ids_that_are_missing_begin_it_from_the_start(broken_off, paged):
    """Else a row that comes again would be taken for a new one."""
    _, reading, client = broken_off(600, paged(1250, most=200, total=1250))
    proof = reading.take(client.pages("orgs", resume=reading.checkpoint, seen=reading.ids[1:]))

    assert reading.ids == expected(1250)
    assert (proof.kind, proof.attempt) == ("total", 2)


def test_a_row_of_before_that_comes_again_is_noticed(broken_off, paged, reply):
    pages = paged(1250, most=200, total=1250)

    def shifting(asked):
        page = pages(asked)
        if asked.offset == 800 and offsets(provider).count(0) == 0:
            page.body["orgs"][0] = {"sourcedId": "o3"}
        return page

    provider, reading, client = broken_off(600, shifting)
    proof = reading.take(client.pages("orgs", resume=reading.checkpoint, seen=list(reading.ids)))

    assert reading.ids == expected(1250)
    assert (proof.kind, proof.attempt) == ("total", 2)


def test_rows_nobody_can_identify_and_rows_twice_on_a_page_are_counted_on(provide, connect, reply):
    def answer(asked):
        numbers = range(asked.offset, min(asked.offset + 4, 12))
        rows = [{"name": "nobody"} if n == 1 else {"sourcedId": f"o{2 if n == 3 else n}"} for n in numbers]
        return reply({"orgs": rows}, headers={"X-Total-Count": "12"})

    provider = provide(answer)
    whole = Reading()
    proof = whole.take(connect(provider).pages("orgs"))
    part = next(iter(connect(provider).pages("orgs")))
    seen = {record.sourced_id for record in part.records}
    reader = connect(provider).pages("orgs", resume=part.checkpoint, seen=seen)
    list(reader)

    assert reader.proof == proof
    assert (proof.kind, proof.received, proof.unique) == ("total", 12, 10)


def test_a_learned_page_size_is_kept(provide, connect, paged, reply):
    pages, fails = paged(1000, total=1000), [True]

    def answer(asked):
        if asked.offset == 500 and fails:
            return reply({}, 403)
        return reply({}, 500) if int(asked.query["limit"]) > 250 else pages(asked)

    provider = provide(answer)
    reading = Reading()
    options = {"page_size": 1000, "concurrency": 1}
    patient = Retry(attempts=20, first_wait=0.001, longest_wait=0.002)
    with pytest.raises(Exception, match="403"):
        reading.take(connect(provider, retry=patient, **options).pages("orgs"))
    provider.asked.clear()
    fails.clear()
    reading.take(connect(provider, **options).pages("orgs", resume=reading.checkpoint, seen=list(reading.ids)))

    assert reading.ids == expected(1000)
    assert {asked.query["limit"] for asked in provider.data_requests()} == {"250"}


def test_nothing_read_yet_is_a_start(provide, connect, paged):
    reader = connect(provide(paged(3, total=3))).pages("orgs", resume=Checkpoint())
    (page,) = reader

    assert (page.offset, page.received, reader.proof.kind) == (0, 3, "total")


def test_a_failure_while_the_last_page_is_read_again_is_told(broken_off, reply):
    _, reading, client = broken_off(600, lambda asked: reply({}, 503))
    with pytest.raises(ProviderUnavailable):
        list(client.pages("orgs", resume=reading.checkpoint, seen=list(reading.ids)))
