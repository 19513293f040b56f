"""What happens to records: tombstones, copies, parts, rejects, and what a collection then proves."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, date, datetime
from typing import Any

import pytest

from rollcall.landing.manifests import load
from rollcall.landing.validated import Validated
from rollcall.settings import District
from rollcall.validate.validation import validate

Good = Callable[..., dict[str, Any]]


def _counts(outcome: Any) -> tuple[int, int, int, int]:
    made = outcome.collection
    return made.received, made.accepted, made.tombstones, made.rejected


def test_accepted_rows_have_their_types(validated: Any, good: Good) -> None:
    metadata = '{"ic":{"legacysourceId":"17"}}'
    outcome = validated("enrollments", [good("enrollments", metadata=metadata)])
    assert outcome.rows("enrollments") == [
        {
            "sourced_id": "e1",
            "status": "active",
            "date_last_modified": datetime(2026, 8, 1, 10, 0, tzinfo=UTC),
            "metadata": metadata,
            "user_sourced_id": "u1",
            "class_sourced_id": "c1",
            "school_sourced_id": "o1",
            "role": "student",
            "is_primary": False,
            "begin_date": date(2026, 8, 15),
            "end_date": date(2026, 12, 20),
        }
    ]


def test_a_record_without_status_is_active(validated: Any, good: Good) -> None:
    outcome = validated("orgs", [good("orgs", status=None)])
    assert outcome.rows("orgs")[0]["status"] == "active"
    assert _counts(outcome) == (1, 1, 0, 0)


def test_what_cannot_be_read_becomes_null_where_it_only_warns(validated: Any, good: Good) -> None:
    record = good("users", is_enabled="perhaps", date_last_modified="yesterday")
    outcome = validated("users", [record], user_roles=[good("user_roles", begin_date="2026-02-31")])
    (user,) = outcome.rows("users")
    assert (user["is_enabled"], user["date_last_modified"]) == (None, None)
    (role,) = outcome.rows("user_roles")
    assert (role["begin_date"], role["role_key"]) == (None, "student|o1|")


class TestTombstones:
    def test_need_only_sourced_id_and_status(self, validated: Any) -> None:
        tombstones = [
            {"sourced_id": "e1", "status": "tobedeleted"},
            {"sourced_id": "e2", "status": "tobedeleted", "begin_date": "nonsense", "role": "janitor"},
        ]
        outcome = validated("enrollments", tombstones)
        assert _counts(outcome) == (2, 2, 2, 0)
        assert outcome.manifest.findings == []
        assert [(row["sourced_id"], row["begin_date"]) for row in outcome.rows("enrollments")] == [
            ("e1", None),
            ("e2", None),
        ]

    def test_bring_no_parts(self, validated: Any, good: Good) -> None:
        roles = [good("user_roles"), good("user_roles", user_sourced_id="u2", org_sourced_id=None)]
        outcome = validated("users", [good("users"), {"sourced_id": "u2", "status": "tobedeleted"}], user_roles=roles)
        assert [row["user_sourced_id"] for row in outcome.rows("user_roles")] == ["u1"]
        assert outcome.manifest.findings == []

    def test_without_sourced_id_are_refused(self, validated: Any) -> None:
        outcome = validated("orgs", [{"sourced_id": None, "status": "tobedeleted"}])
        assert _counts(outcome) == (1, 0, 0, 1)
        assert not outcome.collection.proves_absence


class TestCopies:
    def test_the_newest_counts(self, validated: Any, good: Good) -> None:
        copies = [
            good("orgs", name="second", date_last_modified="2026-08-02T00:00:00Z"),
            good("orgs", name="third", date_last_modified="2026-08-02T01:00:00+00:30"),
            good("orgs", name="never dated", date_last_modified=None),
            good("orgs", name="first", date_last_modified="2026-08-01T23:00:00Z"),
        ]
        outcome = validated("orgs", copies)
        assert [row["name"] for row in outcome.rows("orgs")] == ["third"]
        assert _counts(outcome) == (4, 1, 0, 3)
        assert outcome.findings["sourced_id_repeated"].count == 3
        assert [reject["sourced_id"] for reject in outcome.rejects()] == ["o1"] * 3
        assert outcome.collection.proves_absence

    def test_of_equally_new_ones_the_last_counts_and_the_living_before_a_tombstone(
        self, validated: Any, good: Good
    ) -> None:
        copies = [
            good("orgs", name="earlier"),
            good("orgs", name="later"),
            good("orgs", name="gone", status="tobedeleted"),
        ]
        assert [row["name"] for row in validated("orgs", copies).rows("orgs")] == ["later"]

    def test_a_newer_tombstone_counts(self, validated: Any, good: Good) -> None:
        gone = good("orgs", status="tobedeleted", date_last_modified="2026-08-03T00:00:00Z")
        outcome = validated("orgs", [gone, good("orgs")])
        assert [row["status"] for row in outcome.rows("orgs")] == ["tobedeleted"]
        assert _counts(outcome) == (2, 1, 1, 1)

    def test_records_without_sourced_id_are_not_copies_of_each_other(self, validated: Any, good: Good) -> None:
        outcome = validated("orgs", [good("orgs", sourced_id=None), good("orgs", sourced_id=None)])
        assert {rule: finding.count for rule, finding in outcome.findings.items()} == {"sourced_id_missing": 2}


class TestParts:
    def test_a_refused_user_takes_roles_and_agents_along(self, validated: Any, good: Good) -> None:
        outcome = validated(
            "users",
            [good("users"), good("users", sourced_id="u2", status="gone")],
            user_roles=[good("user_roles"), good("user_roles", user_sourced_id="u2")],
            user_agents=[good("user_agents"), good("user_agents", user_sourced_id="u2")],
        )
        assert [row["user_sourced_id"] for row in outcome.rows("user_roles")] == ["u1"]
        assert [row["user_sourced_id"] for row in outcome.rows("user_agents")] == ["u1"]
        assert list(outcome.findings) == ["status_unknown"]

    def test_a_refused_class_takes_its_terms_along(self, validated: Any, good: Good) -> None:
        outcome = validated("classes", [good("classes", status="gone")], class_terms=[good("class_terms")])
        assert outcome.rows("class_terms") == []

    def test_a_role_without_org_leaves_the_person_and_the_other_roles(self, validated: Any, good: Good) -> None:
        outcome = validated(
            "users",
            [good("users")],
            user_roles=[good("user_roles", org_sourced_id=None), good("user_roles", role="teacher")],
        )
        assert [row["role_key"] for row in outcome.rows("user_roles")] == [
            "student||2026-08-15",
            "teacher|o1|2026-08-15",
        ]
        assert outcome.findings["role_org_missing"].count == 1
        assert _counts(outcome) == (1, 1, 0, 0)

    def test_a_role_that_is_there_twice_is_kept_once_as_primary(self, validated: Any, good: Good) -> None:
        roles = [
            good("user_roles", role_type="secondary"),
            good("user_roles"),
            good("user_roles", begin_date="2026-09-01", role_type="secondary"),
        ]
        rows = validated("users", [good("users")], user_roles=roles).rows("user_roles")
        assert [(row["role_key"], row["role_type"]) for row in rows] == [
            ("student|o1|2026-08-15", "primary"),
            ("student|o1|2026-09-01", "secondary"),
        ]

    def test_a_term_that_is_there_twice_is_kept_once(self, validated: Any, good: Good) -> None:
        outcome = validated("classes", [good("classes")], class_terms=[good("class_terms"), good("class_terms")])
        assert len(outcome.rows("class_terms")) == 1


class TestRejects:
    def test_all_reasons_of_a_record_are_in_one_row(self, validated: Any, good: Good) -> None:
        record = good(
            "enrollments", user_sourced_id=None, class_sourced_id=None, end_date="x", metadata='{"ic":{"a":[1]}}'
        )
        outcome = validated("enrollments", [record])
        (reject,) = outcome.rejects()
        assert (reject["collection"], reject["sourced_id"]) == ("enrollments", "e1")
        assert (reject["rule"], reject["field"]) == ("user_missing", "user")
        rules = ["user_missing", "class_missing", "end_date_impossible"]
        assert list(outcome.findings) == rules
        assert reject["reason"] == " ".join(outcome.findings[rule].message for rule in rules)
        assert json.loads(reject["record"]) == {
            **{name: value for name, value in record.items() if value is not None},
            "metadata": {"ic": {"a": [1]}},
        }

    def test_demographics_are_not_shown(self, validated: Any, good: Good) -> None:
        outcome = validated("demographics", [good("demographics", birth_date="31.12.2014")])
        (reject,) = outcome.rejects()
        assert (reject["sourced_id"], reject["rule"], reject["record"]) == ("u1", "birth_date_impossible", None)

    def test_what_extract_could_not_read_is_counted_and_kept(self, validated: Any, good: Good) -> None:
        unreadable = [
            {
                "collection": "users",
                "sourced_id": sourced_id,
                "rule": "wrong_type",
                "reason": "A field holds another kind of value.",
                "field": "givenName",
                "record": "{}",
            }
            for sourced_id in ("u8", "u9")
        ]
        outcome = validated(
            "users",
            [good("users"), good("users", sourced_id="u2", status="?")],
            user_roles=[good("user_roles")],
            unreadable=unreadable,
        )
        assert _counts(outcome) == (4, 1, 0, 3)
        assert [reject["sourced_id"] for reject in outcome.rejects()] == ["u8", "u9", "u2"]
        finding = outcome.findings["wrong_type"]
        assert (finding.severity, finding.count, finding.message) == ("critical", 2, unreadable[0]["reason"])
        assert outcome.collection.proves_absence


class TestProof:
    def test_an_unproven_pull_proves_no_absence(self, validated: Any, good: Good) -> None:
        assert not validated("orgs", [good("orgs")], proof="unproven").collection.proves_absence

    def test_an_unidentified_record_of_extract_proves_no_absence(self, validated: Any, good: Good) -> None:
        nobody = dict.fromkeys(("collection", "rule", "reason", "field"), "orgs") | {"sourced_id": None}
        assert not validated("orgs", [good("orgs")], unreadable=[nobody]).collection.proves_absence

    def test_a_refused_record_with_its_sourced_id_does_not_matter(self, validated: Any, good: Good) -> None:
        assert validated("orgs", [good("orgs", status="?")]).collection.proves_absence

    def test_an_empty_complete_collection_proves_absence(self, validated: Any) -> None:
        outcome = validated("orgs", [])
        assert _counts(outcome) == (0, 0, 0, 0)
        assert outcome.collection.proves_absence
        assert outcome.rejects() == []


def test_the_stage_can_be_run_again_alone(validated: Any, good: Good) -> None:
    first = validated("orgs", [good("orgs"), good("orgs", sourced_id="o2", name=None)])
    maple = District(district="maple", name="Maple", version="1.2", usernames="email")
    again = validate(first.landing, first.ref, maple)
    folder = first.ref.folder(first.landing)
    assert load(folder, Validated) == again
    assert [(one.accepted, one.rejected) for one in again.collections] == [(2, 0)]
    assert [part.sha256 for part in again.collections[0].parts["orgs"]] == [
        part.sha256 for part in first.collection.parts["orgs"]
    ]
    assert again.findings == first.manifest.findings


@pytest.mark.parametrize(("role", "warned"), [("guardian", False), ("relative", False), ("student", True)])
def test_relatives_are_not_missed_for_what_they_never_have(role, warned, validated, good) -> None:
    person = {**good("users"), "username": None, "email": None, "identifier": None}
    outcome = validated("users", [person], user_roles=[{**good("user_roles"), "role": role}], user_agents=[])
    missing = {"username_missing", "email_missing", "identifier_missing"}
    assert missing & set(outcome.findings) == (missing if warned else set())
