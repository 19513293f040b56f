"""What the suites ask of the roster as it will be, rule by rule: what is a finding, what is refused, and when."""

from __future__ import annotations

from datetime import date

import pytest

from rollcall.errors import ActionRequired
from rollcall.expectations.suites import SUITES
from rollcall.settings import RuleChange


def _findings(nights, collection=None):
    where = f"run_id = 'run{nights.count}'" + (f" AND collection = '{collection}'" if collection else "")
    listed = "json_object_agg(collection || '.' || rule, severity || ' ' || count)"
    return nights.scalar(f"SELECT {listed} FROM roster_ops.findings WHERE {where}") or {}


def _rejects(nights):
    return nights.scalar(
        f"SELECT json_object_agg(sourced_id, rule) FROM roster_ops.rejects WHERE run_id = 'run{nights.count}'"
    )


ORPHANS = [
    ("orgs", "parent_sourced_id", "orgs.orphan_parent"),
    ("academic_sessions", "parent_sourced_id", "academic_sessions.orphan_parent"),
    ("courses", "org_sourced_id", "courses.orphan_org"),
    ("courses", "school_year_sourced_id", "courses.orphan_year"),
    ("classes", "school_sourced_id", "classes.orphan_school"),
    ("classes", "course_sourced_id", "classes.orphan_course"),
    ("class_terms", "term_sourced_id", "classes.orphan_term"),
    ("user_roles", "org_sourced_id", "users.orphan_role_org"),
    ("user_agents", "agent_sourced_id", "users.orphan_agent"),
    ("enrollments", "school_sourced_id", "enrollments.orphan_school"),
]


@pytest.mark.parametrize(("table", "column", "rule"), ORPHANS)
def test_what_describes_may_lie_outside_the_scope(nights, roster, table, column, rule):
    rows = roster("ada") | {"user_agents": [{"user_sourced_id": "ada", "agent_sourced_id": "ada"}]}
    rows[table][0][column] = "outside"
    nights.publish(rows)
    assert _findings(nights) == {rule: "warning 1"}
    assert nights.live(table, column) == ["outside"]
    assert _rejects(nights) is None


@pytest.mark.parametrize("column", ["user_sourced_id", "class_sourced_id"])
def test_an_enrollment_cannot_be_without_person_or_class(nights, roster, column):
    rows = roster("ada")
    rows["enrollments"][0][column] = "outside"
    nights.publish(rows)
    rule = {"user_sourced_id": "orphan_user", "class_sourced_id": "orphan_class"}[column]
    assert _findings(nights) == {f"enrollments.{rule}": "critical 1"}
    assert _rejects(nights) == {"e-ada": rule}
    assert nights.live("enrollments", "sourced_id") == []


def test_demographics_cannot_be_without_their_person_and_leave_no_record(nights, roster):
    nights.publish(roster("ada") | {"demographics": [{"sourced_id": "ghost", "sex": "female"}]})
    assert _rejects(nights) == {"ghost": "orphan_user"}
    assert nights.scalar("SELECT count(*) FROM roster_ops.rejects WHERE record IS NOT NULL") == 0


def test_references_to_a_collection_that_was_not_pulled_are_not_asked(nights, roster):
    rows = roster("ada")
    rows["users"][0]["primary_org_sourced_id"] = rows["user_roles"][0]["org_sourced_id"] = "outside"
    nights.publish({name: rows[name] for name in ("users", "user_roles")})
    assert _findings(nights) == {}


@pytest.mark.parametrize("table", ["orgs", "academic_sessions"])
class TestLoops:
    def test_members_of_a_circle_are_counted_and_who_hangs_below_is_not(self, nights, roster, table):
        rows = roster("ada")
        parents = {"a": "c", "b": "a", "c": "b", "below": "a", "alone": "alone", "top": None, "child": "top"}
        rows[table] += [{"sourced_id": name, "parent_sourced_id": parent} for name, parent in parents.items()]
        nights.publish(rows)
        assert _findings(nights) == {f"{table}.parent_loop": "warning 4"}
        assert _rejects(nights) is None

    def test_a_circle_is_closed_by_what_is_published_and_stays(self, nights, roster, table):
        rows = roster("ada")
        rows[table] += [{"sourced_id": "a", "parent_sourced_id": "b"}, {"sourced_id": "b"}]
        nights.publish(rows)
        rows[table][-1]["parent_sourced_id"] = "a"
        del rows[table][-2]
        nights.publish(rows, rejected={table: ["a"]})
        assert _findings(nights)[f"{table}.parent_loop"] == "warning 1"

    def test_a_parent_removed_tonight_does_not_resolve(self, nights, roster, table):
        rows = roster("ada")
        rows[table] += [{"sourced_id": "a", "parent_sourced_id": "b"}, {"sourced_id": "b"}]
        nights.publish(rows)
        rows[table][-1]["status"] = "tobedeleted"
        nights.publish(rows)
        assert _findings(nights) == {f"{table}.orphan_parent": "warning 1"}


class TestSessions:
    @pytest.fixture
    def year(self, roster):
        """One class of two terms; the enrollment has the dates given."""

        def make(begin=None, end=None):
            rows = roster("ada")
            rows["academic_sessions"] = [
                {"sourced_id": "fall", "start_date": date(2026, 8, 17), "end_date": date(2026, 12, 18)},
                {"sourced_id": "spring", "start_date": date(2027, 1, 5), "end_date": date(2027, 5, 28)},
                {"sourced_id": "other", "start_date": date(2020, 1, 1), "end_date": date(2030, 1, 1)},
            ]
            rows["class_terms"] = [
                {"class_sourced_id": "maths-1", "term_sourced_id": term} for term in ("fall", "spring", "unknown")
            ]
            rows["enrollments"][0] |= {"begin_date": begin, "end_date": end}
            return rows

        return make

    @pytest.mark.parametrize(
        ("begin", "end", "is_inside"),
        [
            (date(2026, 8, 17), date(2027, 5, 28), True),
            (None, None, True),
            (date(2026, 12, 28), None, True),
            (None, date(2027, 5, 29), True),  # exclusive, where the session's was inclusive
            (None, date(2027, 5, 30), False),
            (date(2026, 8, 16), None, False),
        ],
    )
    def test_an_enrollment_lies_inside_the_terms_of_its_class(self, nights, year, begin, end, is_inside):
        nights.publish(year(begin, end))
        expected = {} if is_inside else {"enrollments.outside_session": "warning 1"}
        assert _findings(nights, "enrollments") == expected
        assert nights.live("enrollments", "begin_date", "end_date") == [(begin, end)]

    def test_on_a_delta_the_published_terms_count(self, nights, year):
        nights.publish(year(date(2026, 8, 17)))
        rows = year(date(2026, 8, 16))
        delta = {name: [] for name in rows} | {
            name: rows[name] for name in ("academic_sessions", "orgs", "enrollments")
        }
        nights.publish(delta, delta=True)
        assert _findings(nights) == {"enrollments.outside_session": "warning 1"}

    def test_a_class_without_dated_terms_has_no_outside(self, nights, roster):
        rows = roster("ada")
        rows["enrollments"][0]["begin_date"] = date(1999, 1, 1)
        nights.publish(rows)
        assert _findings(nights) == {}


def test_one_primary_role_per_person_and_org(nights, roster):
    rows = roster("ada", "ben")
    rows["orgs"].append({"sourced_id": "second"})
    role = rows["user_roles"][0]
    rows["user_roles"] += [
        {**role, "role": "aide", "role_key": "aide|school|"},
        {**role, "role": "proctor", "role_key": "proctor|school|", "role_type": "secondary"},
        {**role, "org_sourced_id": "second", "role_key": "student|second|"},
    ]
    nights.publish(rows)
    assert _findings(nights) == {"users.primary_role_repeated": "warning 2"}
    assert len(nights.live("user_roles", "role_key")) == 5


class TestDistrictsOwnView:
    def test_what_belongs_to_nobody_is_published_in_no_district(self, nights, roster):
        nights.settings(rules={"orphan_enrollment": RuleChange(severity="warning", reason="Accounts come later.")})
        with pytest.raises(ActionRequired) as caught:
            nights.publish(roster("ada"))
        assert caught.value.code == "rule_fixed"

    def test_a_raised_rule_refuses(self, nights, roster):
        nights.settings(
            rules={"enrollments.orphan_school": RuleChange(severity="critical", reason="We bill by school.")}
        )
        rows = roster("ada")
        rows["enrollments"][0]["school_sourced_id"] = rows["classes"][0]["school_sourced_id"] = "outside"
        nights.publish(rows)
        assert _rejects(nights) == {"e-ada": "orphan_school"}
        assert _findings(nights) == {"enrollments.orphan_school": "critical 1", "classes.orphan_school": "warning 1"}


def test_every_rule_about_the_roster_is_shown_here_or_among_the_cases_of_rule_2():
    shown = {rule for _, _, rule in ORPHANS}
    shown |= {f"{name}.parent_loop" for name in ("orgs", "academic_sessions")}
    shown |= {"users.primary_role_repeated", "enrollments.outside_session"}
    shown |= {f"enrollments.{word}" for word in ("orphan_user", "orphan_class", "user_removed")}
    rules = {
        f"{collection}.{rule.name}"
        for collection, suite in SUITES.items()
        for rules in suite.roster.values()
        for rule in rules
    }
    # the same three causes for every needed reference: tests/changes/test_rule_2.py
    causes = {"user_refused", "user_removed", "class_refused", "class_removed", "orphan_user"}
    assert {rule for rule in rules - shown if rule.partition(".")[2] not in causes} == set()
