"""What a night cost stands in the ledger: rows written, and processor time of its stages."""

from __future__ import annotations

import pytest
import sqlalchemy as sa

from rollcall.errors import InternalError
from rollcall.pipeline.stage_record import recorded_stage
from rollcall.warehouse.ops_models import run_counts, runs


def test_rows_written_are_those_that_changed(nights, roster, engine):
    nights.publish(roster("ada", "ben"))
    nights.publish(roster("ada", "ben"))
    with engine.connect() as connection:
        written = connection.execute(sa.select(runs.c.rows_written).order_by(runs.c.as_of)).scalars().all()
        added = connection.execute(sa.select(sa.func.sum(run_counts.c.added))).scalar_one()
    assert written == [added, 0]


def test_every_stage_adds_its_processor_time_failed_ones_too(nights, roster, engine):
    nights.publish(roster("ada"), run_id="timed")

    def spent() -> float:
        with engine.connect() as connection:
            return connection.execute(sa.select(runs.c.cpu_seconds).filter_by(run_id="timed")).scalar_one() or 0.0

    before = spent()
    with recorded_stage(engine, "elm", "timed", "validate"):
        sum(range(200_000))
    after_one = spent()
    with pytest.raises(InternalError), recorded_stage(engine, "elm", "timed", "publish"):
        raise ValueError(sum(range(200_000)))
    assert before < after_one < spent()
