"""What a person changed is kept, and ends with the district's history."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from rollcall.retention.sweep import sweep
from rollcall.warehouse import decisions


def test_a_decision_is_kept_as_long_as_history(nights, roster):
    nights.publish(roster("ada"))
    with nights.engine.begin() as connection:
        decisions.record(connection, "elm", "sites_saved", by="olive", before={"N": None}, after={"N": "North"})
        decisions.record(connection, "elm", "hold_rejected", by="olive", subject="elm-users-1", reason="wrong file")
        decisions.record(connection, "oak", "sites_saved", by="olive")
    with nights.engine.connect() as connection:
        kept = decisions.newest(connection, "elm")
        assert [(row["action"], row["subject"], row["reason"]) for row in kept] == [
            ("hold_rejected", "elm-users-1", "wrong file"),
            ("sites_saved", "", ""),
        ]
        assert (kept[1]["before"], kept[1]["after"]) == ({"N": None}, {"N": "North"})
        assert len(decisions.newest(connection, "elm", actions=("sites_saved",))) == 1
    days = nights.district.retention.history_days
    for age, rows in ((days - 1, 2), (days + 1, 0)):
        sweep(nights.engine, nights.district, nights.landing, datetime.now(UTC) + timedelta(days=age))
        assert nights.scalar("SELECT count(*) FROM roster_ops.decisions WHERE district_id = 'elm'") == rows
    assert nights.scalar("SELECT count(*) FROM roster_ops.decisions") == 1
