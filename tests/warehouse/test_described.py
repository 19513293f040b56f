"""The page about the roster's tables is generated from the models, and its example queries run."""

from __future__ import annotations

from pathlib import Path

import pytest
import sqlalchemy as sa

from rollcall.model.tables import TABLES
from rollcall.warehouse.describe import EXAMPLES, page
from rollcall.warehouse.models import staging

PAGE = Path(__file__).resolve().parents[2] / "docs" / "staging-schema.md"


def test_page_matches_the_models():
    assert PAGE.read_text(encoding="utf-8") == page(), "run `rollcall db describe > docs/staging-schema.md`"


@pytest.mark.parametrize("table", TABLES)
def test_every_reference_has_a_target_table(table):
    references = [column.name for column in staging[table].c if column.name.endswith("_sourced_id")]
    targets = {name: TABLES[table].references.get(name) for name in references}
    assert all(target in TABLES for target in targets.values()), targets


@pytest.mark.parametrize(("title", "query"), EXAMPLES, ids=[title for title, _ in EXAMPLES])
def test_example_queries_run(nights, roster, title, query):
    nights.publish(roster("ada", "ben", teacher=True))
    query = query.replace("'maple'", "'elm'")
    with nights.engine.connect() as connection:
        rows = connection.execute(sa.text(query)).all()
    expected = {"Accounts per site": 2, "A class list": 3, "Freshness by district": 1}
    assert len(rows) == expected.get(title, 0)
