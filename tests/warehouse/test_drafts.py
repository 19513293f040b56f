"""A draft is one person's own, changes key by key, and ends after a day."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import sqlalchemy as sa

from rollcall.warehouse import drafts


def test_a_draft_is_its_owners_and_ends_after_a_day(engine):
    with engine.begin() as connection:
        draft_id = drafts.create(connection, district="", by="adam", sealed="x", state={"status": "entered", "a": 1})
        drafts.update(connection, draft_id, {"status": "testing", "b": {"c": [2]}})
        drafts.update(connection, draft_id, {"a": 3}, sealed="y")
        drafts.update(connection, draft_id, {"a": 4}, attempt="an older test")
        found = drafts.find(connection, draft_id, by="adam")
        assert found is not None
        assert (found.sealed, found.state) == ("y", {"status": "testing", "a": 3, "b": {"c": [2]}})
        assert drafts.find(connection, draft_id, by="olive") is None
        assert drafts.delete_expired(connection, datetime.now(UTC)) == []
        connection.execute(sa.text("UPDATE roster_ops.drafts SET created_at = now() - interval '25 hours'"))
        assert drafts.find(connection, draft_id, by="adam") is None
        assert drafts.delete_expired(connection, datetime.now(UTC)) == [found.state]
        assert drafts.delete_expired(connection, datetime.now(UTC) + timedelta(days=9)) == []
