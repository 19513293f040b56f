"""A town of three schools, large enough to lose a share of itself."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
import sqlalchemy as sa

TOMBSTONE = {"status": "tobedeleted"}


@dataclass
class Town:
    """Students 0 to n - 1, shared out evenly among the schools north, south and west; each school has its classes."""

    students: int
    schools: tuple[str, ...] = ("north", "south", "west")
    classes_per_school: int = 8
    year: str = "2026"
    rows: dict[str, list[dict[str, Any]]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.rows = {
            "orgs": [{"sourced_id": name, "name": name.title(), "type": "school"} for name in self.schools],
            "academic_sessions": [{"sourced_id": self.year, "title": self.year, "type": "schoolYear"}],
            "courses": [{"sourced_id": "maths", "title": "Mathematics"}],
            "classes": [self._class(school, i) for school in self.schools for i in range(self.classes_per_school)],
            "users": [self._user(i) for i in range(self.students)],
            "demographics": [{"sourced_id": f"s{i}", "birth_date": _birth_date(i)} for i in range(self.students)],
            "enrollments": [self._enrollment(i) for i in range(self.students)],
        }
        self.rows["class_terms"] = [
            {"class_sourced_id": row["sourced_id"], "term_sourced_id": self.year} for row in self.rows["classes"]
        ]
        self.rows["user_roles"] = [self._role(row) for row in self.rows["users"]]

    def school(self, i: int) -> str:
        return self.schools[i % len(self.schools)]

    def _class(self, school: str, i: int) -> dict[str, Any]:
        return {"sourced_id": f"{school}-{self.year}-{i}", "title": f"Maths {i}", "school_sourced_id": school}

    def _user(self, i: int) -> dict[str, Any]:
        return {
            "sourced_id": f"s{i}",
            "given_name": f"Given{i}",
            "family_name": f"Family{i}",
            "email": f"s{i}@town.example",
            "identifier": f"id{i}",
            "grades": '["12"]' if i % 4 == 3 else '["09"]',
            "primary_org_sourced_id": self.school(i),
        }

    def _role(self, user: dict[str, Any]) -> dict[str, Any]:
        school = user["primary_org_sourced_id"]
        return {
            "user_sourced_id": user["sourced_id"],
            "role_key": f"student|{school}|",
            "org_sourced_id": school,
            "role": "student",
            "role_type": "primary",
        }

    def _enrollment(self, i: int) -> dict[str, Any]:
        school = self.school(i)
        number = i // len(self.schools) % self.classes_per_school
        return {
            "sourced_id": f"e{i}",
            "user_sourced_id": f"s{i}",
            "class_sourced_id": f"{school}-{self.year}-{number}",
            "school_sourced_id": school,
            "role": "student",
        }

    def without(self, *gone: str) -> dict[str, list[dict[str, Any]]]:
        """The rows without these people and what is theirs."""
        return {
            table: [
                row
                for row in rows
                if not (table in ("users", "demographics") and row["sourced_id"] in gone)
                and row.get("user_sourced_id") not in gone
            ]
            for table, rows in self.rows.items()
        }

    def tombstones(self, *gone: str) -> dict[str, list[dict[str, Any]]]:
        """A delta that says these people are to be deleted, with their enrollments."""
        empty = dict.fromkeys(("courses", "classes", "users", "user_roles", "demographics", "enrollments"), ())
        delta: dict[str, Any] = {name: list(rows) for name, rows in empty.items()}
        delta["users"] = [{"sourced_id": key, **TOMBSTONE} for key in gone]
        delta["enrollments"] = [
            {"sourced_id": row["sourced_id"], **TOMBSTONE}
            for row in self.rows["enrollments"]
            if row["user_sourced_id"] in gone
        ]
        return {**delta, "orgs": self.rows["orgs"], "academic_sessions": self.rows["academic_sessions"]}


def _birth_date(i: int) -> Any:
    from datetime import date, timedelta

    return date(2009, 1, 1) + timedelta(days=i)


@pytest.fixture
def town() -> Callable[..., Town]:
    return Town


@pytest.fixture
def approve(nights: Any) -> Callable[..., None]:
    """Agrees to a hold's rows the way a decision does; all of them, or those of these people."""

    def agree(hold_id: str | None = None, *only: str) -> None:
        rows = "AND row_key = ANY(:only)" if only else ""
        with nights.engine.begin() as connection:
            connection.execute(
                sa.text(
                    "UPDATE roster_ops.holds SET status = 'approved', decided_at = now(), decided_by = 'ada', "
                    "expires_at = now() + interval '24 hours' WHERE closed_at IS NULL "
                    "AND (hold_id = CAST(:hold AS text) OR CAST(:hold AS text) IS NULL)"
                ),
                {"hold": hold_id},
            )
            connection.execute(
                sa.text(
                    "UPDATE roster_ops.hold_rows SET is_approved = true WHERE hold_id IN "
                    f"(SELECT hold_id FROM roster_ops.holds WHERE status = 'approved') {rows}"
                ),
                {"only": list(only)},
            )

    return agree


@pytest.fixture
def held(nights: Any) -> Callable[[], list[tuple[Any, ...]]]:
    """Living holds: collection, kind, school, status, rows."""

    def living() -> list[tuple[Any, ...]]:
        query = (
            "SELECT collection, kind, school, status, rows FROM roster_ops.holds WHERE closed_at IS NULL "
            "ORDER BY collection, kind, school"
        )
        with nights.engine.connect() as connection:
            return [tuple(row) for row in connection.execute(sa.text(query))]

    return living
