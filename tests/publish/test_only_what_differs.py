"""A night writes what changed and nothing else; PostgreSQL's own counters say so."""

from __future__ import annotations

import pytest
import sqlalchemy as sa

from rollcall.model.tables import TABLES

PEOPLE = [f"p{number}" for number in range(200)]


_COUNTERS = sa.text("""
    SELECT schemaname || '.' || relname AS name, n_tup_ins, n_tup_upd, n_tup_del FROM pg_stat_user_tables
    WHERE schemaname IN ('roster_staging', 'roster_history')
    """)
_OTHERS = sa.text(
    "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
)


@pytest.fixture
def written(nights):
    """Per table of the roster what a publication inserted, updated and deleted, where it did."""

    def counters():
        nights.engine.dispose()  # a session that ends hands in its counts
        with nights.engine.connect() as connection:
            while connection.execute(_OTHERS).scalar_one():
                connection.rollback()
            connection.rollback()
            return {name: counts for name, *counts in connection.execute(_COUNTERS)}

    def by(publish):
        before = counters()
        publish()
        differ = {
            name: tuple(now - then for now, then in zip(counts, before[name], strict=True))
            for name, counts in counters().items()
        }
        return {name: counts for name, counts in differ.items() if any(counts)}

    return by


def test_an_unchanged_night_writes_no_row_of_the_roster(nights, roster, written):
    nights.publish(roster(*PEOPLE))
    assert written(lambda: nights.publish(roster(*PEOPLE))) == {}


@pytest.mark.parametrize("delta", [False, True])
def test_a_night_with_half_a_percent_of_changes_writes_only_those_rows(nights, roster, written, delta):
    nights.publish(roster(*PEOPLE))
    rows = roster(*PEOPLE)
    rows["users"][0]["phone"] = "555-0100"
    rows["enrollments"][1]["role"] = "proctor"
    if delta:
        rows = {name: [] for name in rows} | {
            "orgs": rows["orgs"],
            "academic_sessions": rows["academic_sessions"],
            "users": rows["users"][:1],
            "user_roles": rows["user_roles"][:1],
            "enrollments": rows["enrollments"][1:2],
        }
    counts = written(lambda: nights.publish(rows, delta=delta))
    # inserted, updated, deleted: staging takes the new content, history one new row and the end of the old one
    changed = {"users", "enrollments"}
    assert counts == {
        **{f"roster_staging.{name}": (0, 1, 0) for name in changed},
        **{f"roster_history.{name}": (1, 1, 0) for name in changed},
        **{f"roster_history.{name}_published": (1, 0, 0) for name in changed},
    }
    assert changed < set(TABLES)
