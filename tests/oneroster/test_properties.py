"""What holds for every provider and every record a test can generate."""

import json
import string
import traceback
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from itertools import pairwise

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rollcall.oneroster import COLLECTIONS, PageReader, columns
from rollcall.oneroster.decode import Decoded, decode_page
from rollcall.oneroster.errors import InvalidResponse, PagingBroken, RetryableError
from rollcall.oneroster.limits import Limits, RowCount
from rollcall.oneroster.pages import Fetched
from rollcall.oneroster.paging import ReadLimits
from rollcall.oneroster.source import Prefetcher, PrefetchSlots
from tests.conftest import examples

ORGS = COLLECTIONS["orgs"]


# -- paging


@dataclass(frozen=True)
class Model:
    """A provider: what it has (`?` cannot be read), how many it serves at a time, what it says of itself, its end."""

    ids: tuple[str, ...]
    limit: int
    clamp: int
    total: int | None
    links: bool
    behind: str

    def fetch(self, offset, retries=True, ahead=False):
        rows = self.ids[offset : offset + min(self.limit, self.clamp)]
        if not rows and offset:
            if self.behind == "nothing":
                return None
            if self.behind == "last page again":
                rows = self.ids[-min(self.limit, self.clamp) :]
        records = [ORGS.record(sourced_id=one) for one in known(rows)]
        decoded = Decoded(records, [Nobody()] * (len(rows) - len(records)), len(rows), "orgs")
        more = offset + len(rows) < len(self.ids)
        return Fetched(decoded, self.total, more if self.links else None, repr((rows, self.total)).encode(), self.limit)


class Nobody:
    sourced_id = None


def known(ids):
    return [one for one in ids if not one.startswith("?")]


@st.composite
def models(draw, *, truthful=False):
    count = draw(st.integers(0, 40))
    nobody = draw(st.sets(st.integers(0, 39), max_size=3))
    ids = tuple(f"?{number}" if number in nobody else f"o{number}" for number in range(count))
    totals = [st.none(), st.just(count)] if truthful else [st.none(), st.just(count), st.integers(0, 60)]
    return Model(
        ids=ids,
        limit=draw(st.integers(1, 30)),
        clamp=draw(st.integers(1, 20)),
        total=draw(st.one_of(totals)),
        links=draw(st.booleans()),
        behind=draw(st.sampled_from(["empty", "nothing"] if truthful else ["empty", "nothing", "last page again"])),
    )


def at_once(fetch, offset):
    """Runs a fetch as a thread would that is always faster than its reader."""
    future = Future()
    future.set_result(fetch(offset, True, True))
    return future


def limits():
    return ReadLimits(RowCount(Limits().rows), Limits().pages)


def read(model, width=0, submit=at_once, **options):
    reader = PageReader(ORGS, lambda: Prefetcher(model.fetch, submit, PrefetchSlots(width)), limits=limits(), **options)
    pages = list(reader)
    return [page for page in pages if page.attempt == reader.proof.attempt], reader.proof


def rows(pages):
    return [record.sourced_id for page in pages for record in page.records], sum(len(p.unreadable) for p in pages)


@examples(100)
@given(models(), st.integers(0, 6))
def test_every_row_comes_exactly_once_or_the_collection_is_unproven(model, width):
    try:
        pages, proof = read(model, width)
    except PagingBroken:
        assert model.behind == "last page again"
        return
    ids, nobody = rows(pages)
    everybody = known(model.ids)

    assert len(set(ids)) == len(ids)
    if proof.proven:
        assert ids == everybody
        assert nobody == len(model.ids) - len(everybody)
        assert model.total in (None, len(model.ids))
    assert (proof.received, proof.unique) == (sum(page.received for page in pages), len(ids))


@examples(100)
@given(models(truthful=True), st.integers(0, 6))
def test_a_truthful_provider_is_proven_in_one_reading(model, width):
    pages, proof = read(model, width)

    assert rows(pages)[0] == known(model.ids)
    assert (proof.proven, proof.attempt, proof.expected, proof.reason) == (True, 1, model.total, "")


@examples(100)
@given(models())
def test_reading_ahead_changes_neither_the_pages_nor_the_proof(model):
    def outcome(width, submit=at_once):
        try:
            pages, proof = read(model, width, submit)
        except PagingBroken as error:
            return error.code
        return [(page.offset, rows([page]), page.checkpoint) for page in pages], proof

    with ThreadPoolExecutor(3) as threads:
        assert outcome(4, threads.submit) == outcome(4) == outcome(0)


@examples(100)
@given(models(truthful=True), st.integers(0, 6), st.data())
def test_going_on_from_any_page_comes_to_the_same(model, width, data):
    pages, proof = read(model, width)
    if not pages:
        return
    done = data.draw(st.integers(1, len(pages)))
    before, nobody = rows(pages[:done])
    resumed, proof_of_both = read(model, width, resume=pages[done - 1].checkpoint, seen=before)

    assert proof_of_both == proof
    ids, others = rows(resumed)
    assert (before + ids, nobody + others) == rows(pages)


@examples(100)
@given(models(truthful=True), st.data())
def test_going_on_at_a_provider_that_changed_never_mixes_two_rosters(model, data):
    pages, _ = read(model)
    if not pages:
        return
    done = data.draw(st.integers(1, len(pages)))
    place = data.draw(st.integers(0, pages[done - 1].offset))
    changed = replace(model, ids=(*model.ids[:place], "new", *model.ids[place:]), total=len(model.ids) + 1)
    seen, _ = rows(pages[:done])
    resumed, proof = read(changed, resume=pages[done - 1].checkpoint, seen=seen)

    assert proof.attempt == 2
    assert rows(resumed)[0] == known(changed.ids)
    assert proof.proven


@examples(100)
@given(models(truthful=True), st.integers(1, 6))
def test_no_page_is_asked_for_behind_the_total_but_one(model, width):
    asked = []

    def fetch(offset, retries=True, ahead=False):
        asked.append(offset)
        return model.fetch(offset, retries, ahead)

    list(PageReader(ORGS, lambda: Prefetcher(fetch, at_once, PrefetchSlots(width)), limits=limits()))
    assert len(asked) == len(set(asked))
    assert all(after > before for before, after in pairwise(sorted(asked)))
    if model.total:
        assert [offset for offset in asked if offset >= model.total] == [model.total]


# -- decoding

SECRET = "planted-4711"

words = st.text(st.characters(codec=None), max_size=8) | st.sampled_from(
    ["", " ", "true", "False", "2026-11-21", "2026-11-21T08:15:00-06:00", "ext:mentor", "a/b@c d", "\0", "é", "\ud800"]
)
scalars = st.none() | st.booleans() | st.integers() | st.floats() | words | st.integers(10**19, 10**40)
names = st.text(string.ascii_letters, max_size=4) | st.sampled_from(
    ["sourcedId", "type", "org", "role", "credentials", "identifier", "\0"]
)


def _nested(inner):
    secrets = st.sampled_from(["password", "Password", "userPassword"]).map(lambda name: {name: SECRET})
    objects = st.dictionaries(names, inner, max_size=3)
    return st.lists(inner, max_size=3) | st.tuples(objects, secrets | st.just({})).map(lambda two: {**two[0], **two[1]})


values = st.recursive(scalars, _nested, max_leaves=8)


def fields_of(collection):
    return [one.encode_name for one in msgspec.structs.fields(COLLECTIONS[collection].record)]


def encoded(value):
    """As a sloppy provider would: with NaN and Infinity, or a number out of all bounds, where there is no number."""
    return json.dumps(value).replace("-Infinity", "-1e999").encode()


def texts_in(tables):
    return [value for table in tables.values() for column in table.values() for value in column if value is not None]


@pytest.mark.parametrize("collection", COLLECTIONS)
@examples(150)
@given(st.data())
def test_any_value_in_any_field_costs_at_most_its_own_record(collection, data):
    field = data.draw(st.sampled_from([*fields_of(collection), "unknown"]))
    record = {"sourcedId": "odd", field: data.draw(values)}
    body = encoded({COLLECTIONS[collection].envelope: [{"sourcedId": "before"}, record, {"sourcedId": "behind"}]})
    decoded = decode_page(COLLECTIONS[collection], body)
    tables = columns(collection, decoded.records)

    assert decoded.rows == 3 == len(decoded.records) + len(decoded.unreadable)
    ids = tables[collection]["sourced_id"]
    assert (ids[0], ids[-1]) == ("before", "behind")
    for bad in decoded.unreadable:
        assert bad.sourced_id == "odd" or field == "sourcedId"
        assert SECRET.encode() not in bad.record
        assert "record" not in repr(bad)
    for table in tables.values():
        assert len({len(column) for column in table.values()}) <= 1
    for text in texts_in(tables):
        assert isinstance(text, str)
        assert "\0" not in text
        text.encode()  # no half of a surrogate pair


@pytest.mark.parametrize("collection", ["users", "orgs"])
@examples(150)
@given(st.data())
def test_no_password_comes_out_of_metadata_or_profiles(collection, data):
    field = data.draw(st.sampled_from(["metadata", "userProfiles", "roles", "unknown"]))
    record = {"sourcedId": "u1", "password": SECRET, field: data.draw(values)}
    decoded = decode_page(COLLECTIONS[collection], encoded({COLLECTIONS[collection].envelope: [record]}))

    assert SECRET not in repr(texts_in(columns(collection, decoded.records)))
    assert all(SECRET.encode() not in bad.record for bad in decoded.unreadable)


def decoded_or_refused(body):
    try:
        return decode_page(ORGS, body)
    except (InvalidResponse, RetryableError) as error:
        return error


@examples(300)
@given(st.binary(max_size=60) | values.map(encoded) | st.dictionaries(names, values, max_size=3).map(encoded))
def test_any_body_is_a_page_or_an_error_that_quotes_nothing(body):
    page = decoded_or_refused(body)
    if isinstance(page, Decoded):
        assert page.rows == len(page.records) + len(page.unreadable)
    else:
        assert SECRET not in "".join(traceback.format_exception(page))


@examples(300)
@given(st.binary(max_size=20), st.integers(0, 200))
def test_a_page_that_was_tampered_with_anywhere_never_loses_count(noise, place):
    good = encoded({"orgs": [{"sourcedId": f"o{number}", "name": SECRET} for number in range(4)]})
    page = decoded_or_refused(good[:place] + noise + good[place:])
    if isinstance(page, Decoded):
        assert page.rows == len(page.records) + len(page.unreadable)
    else:
        assert SECRET not in "".join(traceback.format_exception(page))
