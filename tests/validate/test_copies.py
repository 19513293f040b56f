"""Equally new records with one sourcedId: lists are merged, other differences are reported, and no row is lost."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pytest

from rollcall.landing.pull import landed_schema
from rollcall.model.tables import TABLES
from rollcall.validate import validation
from rollcall.validate.copies import NEWEST_BY, find_copies

Good = Callable[..., dict[str, Any]]


def united(collection: str, *records: dict[str, Any]) -> list[dict[str, Any]]:
    """What stays of the records, with what is said about each."""
    table = TABLES[collection]
    landed = pa.Table.from_pylist(list(records), schema=landed_schema(table))
    copies = find_copies(
        landed.select(NEWEST_BY), table, lambda ids: landed.filter(pc.is_in(landed["sourced_id"], value_set=ids))
    )
    facts = copies.facts(0, len(records))
    rows = copies.apply(landed, 0).to_pylist()
    return [{**row, **{name: facts[name][at].as_py() for name in facts}} for at, row in enumerate(rows)]


def verdicts(rows: list[dict[str, Any]]) -> list[str]:
    names = {"is_newest": "older", "is_undisputed": "disputed"}
    return [next((said for name, said in names.items() if not row[name]), "counts") for row in rows]


def test_a_pupil_at_two_schools_is_one_record_with_the_lists_of_both(good: Good) -> None:
    one = good("users", grades='["05"]', user_ids='[{"identifier":"1","type":"LDAP"}]')
    two = good(
        "users", grades='["06","05"]', user_ids='[{"type":"LDAP","identifier":"1"},{"type":"SIS","identifier":"2"}]'
    )
    other = good("users", sourced_id="u2")
    for order in itertools.permutations([one, two, other]):
        rows = {row["sourced_id"]: row for row in united("users", *order)}
        assert verdicts(list(rows.values())) == ["counts", "counts"]
        assert sorted(json.loads(rows["u1"]["grades"])) == ["05", "06"]
        assert sorted(entry["identifier"] for entry in json.loads(rows["u1"]["user_ids"])) == ["1", "2"]
        assert (rows["u1"]["is_single"], rows["u2"]["is_single"]) == (False, True)


def test_subjects_and_their_codes_stay_pairs(good: Good) -> None:
    one = good("classes", subjects='["Math","Art"]', subject_codes='["M1"]', periods='["1"]')
    two = good("classes", subjects='["Math"]', subject_codes='["M2"]', periods='["1"]')
    (row,) = united("classes", one, two)

    pairs = zip(json.loads(row["subjects"]), json.loads(row["subject_codes"]), strict=True)
    assert sorted(pairs) == [("Art", ""), ("Math", "M1"), ("Math", "M2")]
    assert row["periods"] == '["1"]'


@pytest.mark.parametrize(
    ("field", "values", "counts"),
    [
        ("email", ("a@maple.example", "b@maple.example"), None),
        ("email", (None, "b@maple.example"), "b@maple.example"),  # the one that says more
        ("metadata", ('{"a":1}', '{"a":2}'), None),
        ("primary_org_sourced_id", ("o1", "o2"), None),
    ],
)
def test_anything_else_is_disputed_and_the_same_one_counts_in_either_order(field, values, counts, good: Good) -> None:
    copies = [good("users", **{field: value, "grades": f'["0{place}"]'}) for place, value in enumerate(values)]
    first, second = (united("users", *order) for order in (copies, copies[::-1]))

    assert sorted(verdicts(first)) == sorted(verdicts(second)) == ["counts", "disputed"]
    (one,), (other,) = ([row for row in rows if row["is_undisputed"]] for rows in (first, second))
    assert one == other
    assert one[field] == (counts or one[field])
    assert sorted(json.loads(one["grades"])) == ["00", "01"]


def test_an_enrollment_that_goes_on_counts_before_one_that_ends(good: Good) -> None:
    copies = [good("enrollments", end_date=end) for end in ("2026-08-17", None, "2027-06-11")]
    for order in itertools.permutations(copies):
        rows = united("enrollments", *order)
        assert sorted(verdicts(rows)) == ["counts", "disputed", "disputed"]
        assert [row["end_date"] for row in rows if row["is_undisputed"]] == [None]


def test_the_same_record_again_is_one_and_is_not_reported(good: Good) -> None:
    (row,) = united("users", good("users"), good("users"))

    assert (row["is_newest"], row["is_undisputed"], row["is_single"]) == (True, True, True)


def test_only_equally_new_ones_are_united(good: Good) -> None:
    old = good("users", date_last_modified="2026-07-01T00:00:00Z", grades='["04"]')
    never = good("users", date_last_modified=None, grades='["03"]')
    new = [good("users", grades='["05"]'), good("users", date_last_modified="2026-08-01T10:00:00Z", grades='["06"]')]
    rows = united("users", *new, never, old)

    assert verdicts(rows) == ["counts", "older", "older"]
    assert sorted(json.loads(rows[0]["grades"])) == ["05", "06"]


def test_of_tombstones_it_does_not_matter_what_else_they_say(good: Good) -> None:
    gone = {"sourced_id": "u1", "status": "tobedeleted"}
    (row,) = united("users", gone, {**gone, "email": "a@maple.example"})

    assert row["status"] == "tobedeleted"


def test_across_files_the_same(validated: Any, good: Good, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each record in a slice of its own: the report names the row, and every record received is accounted for."""
    monkeypatch.setattr(validation, "VALUES_PER_SLICE", 1)
    records = [
        good("users", grades='["05"]'),
        good("users", sourced_id="u2", email="a@maple.example"),
        good("users", grades='["06"]'),
        good("users", sourced_id="u2", email="b@maple.example"),
        good("users", sourced_id="u2", email="b@maple.example"),
    ]
    roles = [good("user_roles"), good("user_roles", org_sourced_id="o2"), good("user_roles", user_sourced_id="u2")]
    outcome = validated("users", records, files=len(records), user_roles=roles)

    made = outcome.collection
    assert (made.received, made.accepted, made.rejected) == (3, 2, 1)
    assert {row["sourced_id"]: sorted(json.loads(row["grades"] or "[]")) for row in outcome.rows("users")} == {
        "u1": ["05", "06"],
        "u2": [],
    }
    assert sorted(row["org_sourced_id"] for row in outcome.rows("user_roles") if row["user_sourced_id"] == "u1") == [
        "o1",
        "o2",
    ]
    assert [(reject["sourced_id"], reject["rule"]) for reject in outcome.rejects()] == [("u2", "sourced_id_disputed")]
    assert {rule: finding.count for rule, finding in outcome.findings.items()} == {
        "sourced_id_shared": 1,
        "sourced_id_disputed": 1,
    }
    assert made.proves_absence
