"""Grand Bend, a district of real shape (an Ed-Fi provider's answers, names made up), validated and mapped whole."""

from __future__ import annotations

import gzip
from collections import Counter
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from rollcall.accounts.mapping import map_accounts
from rollcall.landing.manifests import read_rows, save, write_rows
from rollcall.landing.mapping import ClassMembership, MappingInput, MappingResult
from rollcall.landing.pull import LandedCollection, Proof, Pull, PullRef, landed_schema
from rollcall.landing.validated import accepted_schema
from rollcall.landing.zone import Landing
from rollcall.model.tables import TABLES, tables_of
from rollcall.oneroster.columns import columns
from rollcall.oneroster.decode import decode_page
from rollcall.oneroster.records import COLLECTIONS
from rollcall.validate.validation import validate
from tests.accounts.cases import district

DATA = Path(__file__).parents[2].parent / "shared" / "data" / "grand-bend"

ELEMENTARY, HIGH = "1bd08d499d05760713d62a617894b78f", "5643e68db2cfe9bf142de280d85599f9"

#: A day in the school year of the answers.
IN_TERM = date(2022, 1, 15)

pytestmark = pytest.mark.skipif(
    not DATA.is_dir(), reason="the Grand Bend answers are not in the folder next to this checkout"
)


@pytest.fixture(scope="module")
def people(tmp_path_factory: pytest.TempPathFactory) -> MappingInput:
    landing = Landing(str(tmp_path_factory.mktemp("landing")))
    ref = PullRef(district="elm", pull_id="20220115T081500Z-00000000", run_id="by hand")
    folder = ref.folder(landing)
    landed = []
    for name, collection in COLLECTIONS.items():
        records = gzip.decompress((DATA / f"{collection.path}.json.gz").read_bytes())
        decoded = decode_page(collection, b'{"%s":%s}' % (collection.envelope.encode(), records))
        made = columns(name, decoded.records)
        parts = {
            table.name: write_rows(folder, "extract", table.name, pa.table(made[table.name], landed_schema(table)))
            for table in tables_of(name)
        }
        count = len(decoded.records)
        proof = Proof(kind="total", expected=count, received=count, unique=count, pages=1, rows_per_page=count)
        landed.append(LandedCollection(collection=name, parts=parts, proof=proof))
    as_of = datetime(2022, 1, 15, 8, 15, tzinfo=UTC)
    identity: dict[str, Any] = {"district": "elm", "pull_id": ref.pull_id, "run_id": ref.run_id, "mode": "full"}
    save(folder, Pull(**identity, as_of=as_of, version="1.2", base_url="http://127.0.0.1/", collections=landed))
    accepted = {
        table: read_rows(folder, parts, accepted_schema(TABLES[table]))
        for collection in validate(landing, ref, district()).collections
        for table, parts in collection.parts.items()
    }
    return MappingInput(
        orgs=accepted["orgs"],
        users=accepted["users"],
        user_roles=accepted["user_roles"],
        accounts=accepted_schema(TABLES["accounts"]).empty_table(),
        in_classes=ClassMembership(accepted["enrollments"], accepted["class_terms"], accepted["academic_sessions"]),
    )


def test_everybody_but_parents_has_an_account_where_there_is_a_username(people: MappingInput) -> None:
    made = map_accounts(district(usernames="username"), people, IN_TERM)
    assert made.coverage == {"people": 2888, "with_site": 1016, "with_username": 966, "with_account": 966}
    assert totals(made) == ({"student": 960, "staff": 6}, {"role_left_out": 1872, "no_username": 50})


def test_a_second_source_for_staff_leaves_nobody_out(people: MappingInput) -> None:
    usernames = {"student": [{"field": "username"}], "staff": [{"field": "username"}, {"field": "identifier"}]}
    made = map_accounts(district(usernames=usernames), people, IN_TERM)
    assert totals(made) == ({"student": 960, "staff": 56}, {"role_left_out": 1872})
    assert Counter(made.accounts["username_field"].to_pylist()) == {"username": 966, "identifier": 50}


def test_schools_nobody_mapped_are_told_with_their_head_counts(people: MappingInput) -> None:
    sites = {"targets": ["Elementary"], "map": {ELEMENTARY: "Elementary", HIGH: "exclude"}}
    made = map_accounts(district(usernames="username", sites=sites), people, IN_TERM)
    assert totals(made) == (
        {"student": 464, "staff": 2},
        {"role_left_out": 1872, "school_left_out": 271, "school_undecided": 253, "no_username": 26},
    )
    assert [finding.count for finding in made.findings] == [253]
    assert "Grand Bend Middle School" in made.findings[0].message


def test_who_is_in_a_class_has_an_account_until_the_year_is_over(people: MappingInput) -> None:
    settings = district(usernames="username", filters={"require_class": True})
    nights = (date(2022, 5, 26), date(2022, 5, 27))
    assert [totals(map_accounts(settings, people, night)) for night in nights] == [
        ({"student": 960, "staff": 6}, {"role_left_out": 1872, "no_username": 50}),
        ({}, {"role_left_out": 1872, "no_class": 1016}),
    ]


def test_grades_are_the_provider_s_own_words(people: MappingInput) -> None:
    settings = district(usernames="username", filters={"grades": ["Third grade", "Fourth grade"]})
    assert totals(map_accounts(settings, people, IN_TERM)) == (
        {"student": 160, "staff": 6},
        {"role_left_out": 1872, "filtered_grade": 800, "no_username": 50},
    )


def totals(made: MappingResult) -> tuple[dict[str, int], dict[str, int]]:
    return Counter(made.accounts["role"].to_pylist()), Counter(made.left_out["reason"].to_pylist())
