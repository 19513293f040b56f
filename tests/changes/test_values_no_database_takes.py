"""Every field of every collection gets every value a PostgreSQL would refuse; the night is published all the same.

Each value is a record of its own. It is published or refused, never lost, and its neighbors are published. The second
night changes all of it, so that it is read back, compared and written to history as well.
"""

from __future__ import annotations

import random
import string
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import msgspec
import pytest
import sqlalchemy as sa

from rollcall.extract.collection import CollectionLanding
from rollcall.landing import manifests
from rollcall.landing.change_set import Published
from rollcall.landing.pull import Pull, PullRef
from rollcall.landing.validated import Validated
from rollcall.model.tables import ROSTERING_COLLECTIONS
from rollcall.oneroster import COLLECTIONS
from rollcall.oneroster.decode import decode_page
from rollcall.oneroster.pages import Page, Proof
from rollcall.pipeline import run
from rollcall.settings import Guards
from rollcall.warehouse import ledger
from tests.conftest import Nights

_seeded = random.Random(1)  # noqa: S311
#: Random, so that no compression makes it short.
LONG = "".join(_seeded.choices(string.ascii_letters + string.digits, k=6_000))
WIDE = "".join(chr(_seeded.randrange(0x20000, 0x2A000)) for _ in range(255))

#: Larger than a row may be; for one field of each collection, since it is much to send.
MEGABYTE = f'{{"a": "{LONG * 170}"}}'

#: JSON as it is sent.
VALUES: dict[str, str] = {
    "nul": r'"a\u0000b"',
    "raw nul": '"a\0b"',
    "half a pair": r'"a\ud800b"',
    "other half": r'"\udfff"',
    "unit separator": r'"a\u001fb"',
    "end of copy": r'"\\."',
    "quotes and lines": r'"\"a\",\n\r\n\"b'+"'"+r';--\""',
    "no character": r'"\uffff\ufffe"',
    "long": f'"{LONG}"',
    "wide": f'"{WIDE}"',
    "widest of a role": f'"ext:{WIDE[:62]}"',
    "grows in lower case": f'"{chr(0x130) * 490}"',
    "year 0": '"0000-01-01"',
    "year 1": '"0001-01-01"',
    "year 10000": '"10000-01-01"',
    "before Christ": '"-0044-03-15"',
    "before Christ in words": '"0044-03-15 BC"',
    "no such day": '"2026-02-30"',
    "infinite date": '"infinity"',
    "last instant": '"9999-12-31T23:59:59.9999999-14:00"',
    "first instant": '"0001-01-01T00:00:00+14:00"',
    "leap second": '"2026-12-31T23:59:60Z"',
    "more than an integer": "9223372036854775808",
    "400 digits": "9" * 400,
    "5,000 digits": "9" * 5_000,
    "beyond a float": "1e400",
    "exponent": "1e-20000",
    "many decimals": "0." + "1" * 20_000,
    "not a number": "NaN",
    "infinite": "-Infinity",
    "true": "true",
    "object": r'{"sourcedId": "x", "a\u0000": ["\u0000", {"b": "\ud800"}]}',
    "list": r'[null, "", "\u0000", 1e5, 7.0, NaN]',
    "deep": '{"a":' * 600 + "1" + "}" * 600,
    "deeper": "[" * 3_000 + "]" * 3_000,
}  # fmt: skip

_BASE = {"status": '"active"', "dateLastModified": '"2026-08-01T10:00:00Z"'}
_DATES = {"startDate": '"2026-08-15"', "endDate": '"2027-06-01"'}

#: The fields of a good record without its sourcedId. Its references resolve.
GOOD: dict[str, dict[str, str]] = {
    "orgs": {"name": '"Elm"', "type": '"school"'},
    "academic_sessions": {"title": '"Fall"', "type": '"term"', **_DATES},
    "courses": {"title": '"Algebra"'},
    "classes": {"title": '"Algebra 1"', "school": '"good"', "terms": '["good"]'},
    "users": {"givenName": '"Ada"', "roles": '[{"role":"student","org":"good"}]'},
    "enrollments": {"user": '"good"', "class": '"good"', "role": '"student"'},
    "demographics": {},
}
_IN_ROLES = ("role", "roleType", "org", "userProfile", "beginDate", "endDate")


def fields(collection: str) -> list[str]:
    names = [field.encode_name for field in msgspec.structs.fields(COLLECTIONS[collection].record)]
    more = [f"roles.{name}" for name in _IN_ROLES] if collection == "users" else []
    return [name for name in names if name != "status"] + more


def records(collection: str, title: str) -> Iterator[tuple[str, str]]:
    """The sourcedId of each record, and the record."""
    yield "good", _record(collection, {"sourcedId": '"good"', "metadata": f'{{"title":"{title}"}}'})
    yield "metadata: megabyte", _record(collection, {"sourcedId": '"metadata: megabyte"', "metadata": MEGABYTE})
    for field in fields(collection):
        for name, value in VALUES.items():
            key = f"{field}: {name}"
            own = {"sourcedId": f'"{key}"', "metadata": f'{{"title":"{title}"}}'}
            if field.startswith("roles."):
                role = {"role": '"student"', "org": '"good"', field.removeprefix("roles."): value}
                yield key, _record(collection, own | {"roles": f"[{_object(role)}]"})
            elif collection != "demographics" or field != "sourcedId":
                yield key, _record(collection, own | {field: value})


def _record(collection: str, own: dict[str, str]) -> str:
    email = {"email": f'"{abs(hash(own["sourcedId"]))}@elm.example"'} if collection == "users" else {}
    return _object(_BASE | GOOD[collection] | email | own)


def _object(members: dict[str, str]) -> str:
    return "{" + ",".join(f'"{name}":{value}' for name, value in members.items()) + "}"


@pytest.fixture
def published(nights: Nights) -> Callable[[str], tuple[Published, Validated, dict[str, set[str]]]]:
    """Publishes a full pull of all of it; what was validated, and the sourcedIds that were sent."""

    def publish(title: str) -> tuple[Published, Validated, dict[str, set[str]]]:
        nights.count += 1
        ref = PullRef(district="elm", pull_id=f"pull{nights.count}", run_id=f"run{nights.count}")
        folder = ref.folder(nights.landing)
        landed, rejects, sent = [], [], {}
        for name in ROSTERING_COLLECTIONS:
            collection = COLLECTIONS[name]
            rows = dict(records(name, title))
            body = f'{{"{collection.envelope}":[{",".join(rows.values())}]}}'.encode()
            decoded = decode_page(collection, body)
            assert decoded.rows == len(rows)
            made = CollectionLanding(folder, name, [])
            made.add(Page(decoded.records, decoded.unreadable, 0, decoded.rows, decoded.rows, 1))
            proof = Proof("total", decoded.rows, decoded.rows, decoded.rows, 1, decoded.rows, "")
            entry, refused = made.finish(proof)
            landed.append(entry)
            rejects += refused
            sent[name] = {key for key in rows if not key.startswith("sourcedId: ")}
        pull = Pull(
            district="elm",
            pull_id=ref.pull_id,
            run_id=ref.run_id,
            as_of=nights.began + timedelta(days=nights.count),
            mode="full",
            version="1.2",
            base_url="http://127.0.0.1/",
            collections=landed,
            rejects=rejects,
        )
        manifests.save(folder, pull)
        with nights.engine.begin() as connection:
            ledger.start_run(connection, "elm", ref.run_id, pull.as_of.date())
        run.validate_night(nights.district, ref, nights.landing)
        run.map_night(nights.engine, nights.district, ref, nights.landing)
        result = run.publish_night(nights.engine, nights.district, ref, nights.landing)
        return result, manifests.load(folder, Validated), sent

    return publish


def test_no_value_of_any_field_costs_more_than_its_own_record(nights: Nights, published: Any) -> None:
    nights.settings(guards=Guards(updates="100%"))
    for title in ("one", "two"):
        result, validated, sent = published(title)

        assert (result.status, result.holds) == ("published", [])
        for made in validated.collections:
            name = made.collection
            assert made.received == made.accepted + made.rejected
            live = _ids(nights.engine, f"roster_staging.{name}")
            assert sent[name] - live - _ids(nights.engine, "roster_ops.rejects", name) == set(), name
            assert _ids(nights.engine, f"roster_staging.{name}", title=title) >= {"good"}
    _check_names(nights.engine)


def _ids(engine: sa.Engine, table: str, collection: str = "", title: str = "") -> set[str]:
    where = {"collection": f"collection = '{collection}'", "title": f"metadata->>'title' = '{title}'"}
    given = " AND ".join(where[name] for name, value in (("collection", collection), ("title", title)) if value)
    with engine.connect() as connection:
        return set(connection.scalars(sa.text(f"SELECT sourced_id FROM {table} WHERE {given or 'true'}")))


def _check_names(engine: sa.Engine) -> None:
    """Not all is refused: what only looks odd is published as it was sent."""
    with engine.connect() as connection:
        rows = connection.execute(sa.text("SELECT sourced_id, given_name FROM roster.users")).all()
    names = dict(rows)
    assert names["givenName: nul"] == "ab"
    assert names["givenName: half a pair"] == "a\ufffdb"
    assert names["givenName: end of copy"] == "\\."
    assert names["givenName: quotes and lines"] == '"a",\n\r\n"b\';--"'
    assert names["givenName: wide"] == WIDE
    assert names["givenName: long"] == LONG
    assert names["givenName: more than an integer"] == "9223372036854775808"
    assert names["givenName: exponent"] == "1e-20000"
