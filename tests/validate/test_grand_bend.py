"""Grand Bend, a district of real shape (an Ed-Fi provider's answers, names made up), decoded and validated whole."""

from __future__ import annotations

import gzip
from collections import Counter
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pytest

from rollcall.expectations.judge import Judge
from rollcall.expectations.severities import Severities
from rollcall.landing.pull import landed_schema
from rollcall.model.tables import tables_of
from rollcall.oneroster.columns import columns
from rollcall.oneroster.decode import decode_page
from rollcall.oneroster.records import COLLECTIONS
from rollcall.validate.collection import JudgedCollection, judge_collection
from rollcall.validate.copies import NEWEST_BY, find_copies

DATA = Path(__file__).parents[2].parent / "shared" / "data" / "grand-bend"

pytestmark = pytest.mark.skipif(not DATA.is_dir(), reason="the Grand Bend answers are not next to this checkout")


@pytest.fixture(scope="module")
def grand_bend() -> dict[str, JudgedCollection]:
    judge = Judge(Severities({}))
    judged = {}
    for name, collection in COLLECTIONS.items():
        records = gzip.decompress((DATA / f"{collection.path}.json.gz").read_bytes())
        decoded = decode_page(collection, b'{"%s":%s}' % (collection.envelope.encode(), records))
        assert decoded.unreadable == []
        made = columns(name, decoded.records)
        landed = {table.name: pa.table(made[table.name], schema=landed_schema(table)) for table in tables_of(name)}
        main = tables_of(name)[0]
        records = landed[main.name]
        copies = find_copies(records.select(NEWEST_BY), main, lambda ids: pytest.fail("no two records share an id"))
        judged[name] = judge_collection(judge, name, "1.2", landed, copies.facts(0, records.num_rows))
    return judged


def test_every_record_is_accepted(grand_bend: dict[str, JudgedCollection]) -> None:
    assert {table: rows.num_rows for judged in grand_bend.values() for table, rows in judged.accepted.items()} == {
        "orgs": 4,
        "academic_sessions": 7,
        "courses": 84,
        "classes": 532,
        "class_terms": 532,
        "users": 2888,
        "user_roles": 2888,
        "user_agents": 0,
        "enrollments": 10128,
        "demographics": 960,
    }
    assert {name: judged.rejects.num_rows for name, judged in grand_bend.items()} == dict.fromkeys(COLLECTIONS, 0)
    assert {name: judged.tombstones for name, judged in grand_bend.items()} == dict.fromkeys(COLLECTIONS, 0)


def test_what_is_missing_is_counted(grand_bend: dict[str, JudgedCollection]) -> None:
    findings = {(one.collection, one.rule): one.count for judged in grand_bend.values() for one in judged.findings}
    assert findings == {("users", "username_missing"): 50, ("users", "email_missing"): 50}


def test_columns_have_their_values(grand_bend: dict[str, JudgedCollection]) -> None:
    roles = grand_bend["users"].accepted["user_roles"].column("role").to_pylist()
    assert Counter(roles) == {"parent": 1872, "student": 960, "teacher": 55, "principal": 1}
    enrollments = grand_bend["enrollments"].accepted["enrollments"]
    assert _shares(enrollments, "role") == {"student": 9600, "teacher": 528}
    assert all(enrollments.column(name).null_count == 0 for name in ("begin_date", "end_date", "date_last_modified"))
    assert _shares(grand_bend["demographics"].accepted["demographics"], "sex") == {"male": 497, "female": 463}


def _shares(rows: pa.Table, column: str) -> dict[Any, int]:
    return {one["values"]: one["counts"] for one in pc.value_counts(rows.column(column)).to_pylist()}
