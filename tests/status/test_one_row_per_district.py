"""`district_status` reads a row per district, and says what every run of the past would say."""

from __future__ import annotations

import random
from datetime import UTC, date, datetime, timedelta

import pytest
import sqlalchemy as sa

from rollcall.warehouse.ops_models import districts, runs, state

#: The status of each district worked out from all of its runs.
FROM_ALL_RUNS = sa.text("""
    WITH run AS (
        SELECT district_id, run_id, kind, night, started_at, finished_at, is_left,
            CASE WHEN is_left THEN 'failed' ELSE status END AS status,
            CASE WHEN is_left THEN 'run_abandoned' ELSE error_code END AS error_code
        FROM (SELECT *, status = 'running' AND started_at < now() - interval '6 hours' AS is_left
            FROM roster_ops.runs) r
    ), newest AS (
        SELECT DISTINCT ON (district_id) * FROM run
        WHERE kind IN ('sync', 'remap') AND status <> 'dry_run' ORDER BY district_id, started_at DESC
    ), good AS (
        SELECT district_id, max(finished_at) AS published_at FROM run
        WHERE status = 'published' AND kind IN ('sync', 'remap', 'rollback') GROUP BY district_id
    ), failures AS (
        SELECT n.district_id, min(r.started_at) AS first_seen, count(DISTINCT r.night) AS nights
        FROM newest n JOIN run r USING (district_id, error_code) LEFT JOIN good USING (district_id)
        WHERE n.status = 'failed' AND r.status = 'failed' AND (NOT r.is_left OR r.run_id = n.run_id)
        AND (good.published_at IS NULL OR r.started_at > good.published_at) GROUP BY 1
    )
    SELECT district_id, n.run_id, n.status, n.error_code, published_at,
        CASE WHEN n.status = 'failed' THEN coalesce(first_seen, n.started_at) END,
        CASE WHEN n.status = 'failed' THEN coalesce(nights, 0) END
    FROM roster_ops.districts LEFT JOIN newest n USING (district_id) LEFT JOIN good USING (district_id)
    LEFT JOIN failures USING (district_id) ORDER BY 1""")

FROM_THE_VIEW = sa.text("""
    SELECT district_id, run_id, run_status, error_code, published_at,
        CASE WHEN run_status = 'failed' THEN since END, nights FROM roster_ops.district_status ORDER BY 1""")


@pytest.mark.parametrize("seed", range(4))
def test_the_row_says_what_all_runs_say(engine, seed):
    draw = random.Random(seed)  # noqa: S311
    now = datetime.now(UTC)
    with engine.begin() as connection:
        for key in ("ash", "elm", "oak", "yew"):
            row = {"name": key, "version": "1.2", "base_url": "", "enabled": True, "timezone": "UTC", "publish_by": ""}
            connection.execute(sa.insert(districts).values(district_id=key, **row))
    differences = []
    for step in range(60):
        key = draw.choice(["ash", "elm", "oak"])
        with engine.begin() as connection:
            if step % 3:
                _write_run(connection, draw, key, step, now)
            else:
                _end_run(connection, draw, key, now)
        with engine.connect() as connection:
            expected, found = (
                [tuple(row) for row in connection.execute(query)] for query in (FROM_ALL_RUNS, FROM_THE_VIEW)
            )
            differences += [(step, *pair) for pair in zip(expected, found, strict=True) if pair[0] != pair[1]]
    assert differences == []


def _write_run(connection: sa.Connection, draw: random.Random, key: str, step: int, now: datetime) -> None:
    started = now - timedelta(minutes=draw.randrange(1, 3 * 24 * 60), microseconds=step)
    row = {
        "status": draw.choice(["running", "failed", "published", "dry_run", "replayed"]),
        "kind": draw.choice(["sync", "sync", "remap", "rollback", "backfill"]),
        "night": started.date(),
        "started_at": started,
    }
    row |= _ending(draw, row["status"], started)
    connection.execute(sa.insert(runs).values(district_id=key, run_id=f"r{step}", **row))


def _end_run(connection: sa.Connection, draw: random.Random, key: str, now: datetime) -> None:
    status = draw.choice(["failed", "published"])
    query = sa.select(runs.c.run_id).where(runs.c.district_id == key, runs.c.status == "running").limit(1)
    if run_id := connection.execute(query).scalar():
        ending = {"status": status, **_ending(draw, status, now - timedelta(minutes=draw.randrange(60)))}
        connection.execute(sa.update(runs).filter_by(district_id=key, run_id=run_id).values(**ending))


def _ending(draw: random.Random, status: str, at: datetime) -> dict[str, object]:
    if status == "running":
        return {}
    code = draw.choice(["provider_down", "run_abandoned"]) if status == "failed" else None
    return {"finished_at": at, "error_code": code}


def test_no_run_of_the_past_is_read(engine):
    with engine.connect() as connection:
        plan = "\n".join(
            row[0] for row in connection.execute(sa.text("EXPLAIN SELECT * FROM roster_ops.district_status"))
        )
    assert "latest_runs" in plan
    assert "on runs" not in plan


def test_two_transactions_that_end_at_once_leave_the_newer_run(engine):
    with engine.begin() as connection:
        connection.execute(sa.insert(runs).values(_run("r1", 1)))
    with engine.begin() as first, engine.begin() as second:
        second.execute(sa.insert(runs).values(_run("r3", 3)))
        first.execute(sa.insert(runs).values(_run("r2", 2)))
    with engine.connect() as connection:
        assert connection.execute(sa.text("SELECT run_id FROM roster_ops.latest_runs")).scalars().all() == ["r3"]


def _run(run_id: str, hour: int) -> dict[str, object]:
    started = datetime(2026, 11, 21, hour, tzinfo=UTC)
    return {
        "district_id": "elm",
        "run_id": run_id,
        "status": "published",
        "started_at": started,
        "finished_at": started,
        "night": date(2026, 11, 21),
    }


def test_a_district_without_runs_has_a_status(engine):
    row = {"name": "Elm", "version": "1.2", "base_url": "", "enabled": True, "timezone": "UTC", "publish_by": ""}
    with engine.begin() as connection:
        connection.execute(sa.insert(districts).values(district_id="elm", **row))
        assert connection.execute(sa.select(state)).first() is None
        assert connection.execute(sa.text("SELECT state, nights FROM roster_ops.district_status")).one() == (
            "never",
            None,
        )
