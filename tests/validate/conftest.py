"""Hand-made pulls: a few records written into a landing zone as extract would, then validated by the real stage."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from rollcall.landing.manifests import read_rows, save, write_rows
from rollcall.landing.pull import LandedCollection, Proof, Pull, PullRef, landed_schema
from rollcall.landing.rejects import REJECT_SCHEMA as REJECTS
from rollcall.landing.validated import Finding, Validated, ValidatedCollection, accepted_schema
from rollcall.landing.zone import Landing
from rollcall.model.tables import TABLES, tables_of
from rollcall.settings import District, RuleChange
from rollcall.validate.validation import validate

_BASE = {"status": "active", "date_last_modified": "2026-08-01T10:00:00.000Z"}

#: One record of each collection with which nothing is wrong, and the parts that belong to it.
GOOD: dict[str, dict[str, str]] = {
    "orgs": {**_BASE, "sourced_id": "o1", "name": "Maple Elementary", "type": "school", "identifier": "4711"},
    "academic_sessions": {
        **_BASE,
        "sourced_id": "a1",
        "title": "Fall",
        "type": "term",
        "start_date": "2026-08-15",
        "end_date": "2026-12-20",
        "school_year": "2027",
    },
    "courses": {**_BASE, "sourced_id": "k1", "title": "Algebra", "course_code": "ALG", "org_sourced_id": "o1"},
    "classes": {
        **_BASE,
        "sourced_id": "c1",
        "title": "Algebra 1",
        "class_type": "scheduled",
        "course_sourced_id": "k1",
        "school_sourced_id": "o1",
    },
    "users": {
        **_BASE,
        "sourced_id": "u1",
        "username": "quimby",
        "is_enabled": "true",
        "given_name": "Ramona",
        "family_name": "Quimby",
        "identifier": "1001",
        "email": "ramona@maple.example",
    },
    "enrollments": {
        **_BASE,
        "sourced_id": "e1",
        "user_sourced_id": "u1",
        "class_sourced_id": "c1",
        "school_sourced_id": "o1",
        "role": "student",
        "is_primary": "false",
        "begin_date": "2026-08-15",
        "end_date": "2026-12-20",
    },
    "demographics": {
        **_BASE,
        "sourced_id": "u1",
        "birth_date": "2015-02-28",
        "sex": "female",
        "is_asian": "true",
        "is_white": "false",
    },
}
GOOD_PARTS: dict[str, dict[str, str]] = {
    "class_terms": {"class_sourced_id": "c1", "term_sourced_id": "a1"},
    "user_roles": {
        "user_sourced_id": "u1",
        "org_sourced_id": "o1",
        "role": "student",
        "role_type": "primary",
        "begin_date": "2026-08-15",
    },
    "user_agents": {"user_sourced_id": "u1", "agent_sourced_id": "u2"},
}


@dataclass(frozen=True)
class Outcome:
    """What validate made of one hand-made collection."""

    manifest: Validated
    landing: Landing
    ref: PullRef

    @property
    def collection(self) -> ValidatedCollection:
        (only,) = self.manifest.collections
        return only

    @property
    def findings(self) -> dict[str, Finding]:
        return {finding.rule: finding for finding in self.manifest.findings}

    def rows(self, table: str) -> list[dict[str, Any]]:
        folder = self.ref.folder(self.landing)
        return read_rows(folder, self.collection.parts[table], accepted_schema(TABLES[table])).to_pylist()

    def rejects(self) -> list[dict[str, Any]]:
        return read_rows(self.ref.folder(self.landing), self.manifest.rejects, REJECTS).to_pylist()


Records = list[dict[str, str | None]]
Validate = Callable[..., Outcome]


def _cut(records: Records, files: int) -> list[Records]:
    """The records in so many lists, one after another."""
    size = -(-len(records) // files) or 1
    return [records[start : start + size] for start in range(0, len(records), size)]


@pytest.fixture
def landed(tmp_path: Path) -> Callable[..., tuple[Landing, PullRef]]:
    """Writes records of one collection, with the rows of its parts by table name, as a pull."""

    def write(
        collection: str,
        records: Records,
        *,
        version: str = "1.2",
        proof: str = "total",
        unreadable: Records | None = None,
        files: int = 1,
        **parts: Records,
    ) -> tuple[Landing, PullRef]:
        landing = Landing(str(tmp_path / "landing"))
        ref = PullRef(district="maple", pull_id="20261121T081500Z-00000000", run_id="by hand")
        folder = ref.folder(landing)
        rows = {table.name: parts.get(table.name, []) for table in tables_of(collection)} | {collection: records}
        bad = unreadable or []
        counts = {"expected": None, "received": len(records), "unique": len(records), "pages": 1, "rows_per_page": 100}
        save(
            folder,
            Pull(
                district="maple",
                pull_id=ref.pull_id,
                run_id=ref.run_id,
                as_of=datetime(2026, 11, 21, 8, 15, tzinfo=UTC),
                mode="full",
                version=version,
                base_url="http://127.0.0.1/",
                collections=[
                    LandedCollection(
                        collection=collection,
                        parts={
                            name: [
                                part
                                for some in _cut(made, files if name == collection else 1)
                                for part in write_rows(
                                    folder, "extract", name, pa.Table.from_pylist(some, landed_schema(TABLES[name]))
                                )
                            ]
                            for name, made in rows.items()
                        },
                        proof=Proof(kind=proof, **counts),
                        unreadable=len(bad),
                        unidentified=sum(one["sourced_id"] is None for one in bad),
                    )
                ],
                rejects=write_rows(folder, "extract", "rejects", pa.Table.from_pylist(bad, REJECTS)),
            ),
        )
        return landing, ref

    return write


@pytest.fixture
def validated(landed: Callable[..., tuple[Landing, PullRef]]) -> Validate:
    """Lands the records of one collection and validates them."""

    def run(
        collection: str,
        records: Records,
        *,
        version: str = "1.2",
        rules: dict[str, RuleChange] | None = None,
        **rest: Any,
    ) -> Outcome:
        landing, ref = landed(collection, records, version=version, **rest)
        return Outcome(validate(landing, ref, district(version, rules)), landing, ref)

    return run


def district(version: Any = "1.2", rules: dict[str, RuleChange] | None = None) -> District:
    return District(district="maple", name="Maple", version=version, usernames="email", rules=rules or {})


@pytest.fixture
def good() -> Callable[..., dict[str, str | None]]:
    """A record (or part) of a table with which nothing is wrong, but for the changes."""

    def make(table: str, **changes: str | None) -> dict[str, str | None]:
        return {**GOOD.get(table, {}), **GOOD_PARTS.get(table, {}), **changes}

    return make
