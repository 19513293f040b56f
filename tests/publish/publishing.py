"""Publishing in a process of its own, which a test may kill."""

from __future__ import annotations

from rollcall.landing.pull import PullRef
from rollcall.landing.zone import Landing
from rollcall.pipeline import run
from rollcall.pipeline.stage_record import recorded_stage
from rollcall.settings import District
from rollcall.warehouse.session import connect, warehouse_from_environment


def publish(url: str, district: District, ref: PullRef, landing: str) -> None:
    """What the task publish does."""
    engine = connect(warehouse_from_environment(url))
    with recorded_stage(engine, district.district, ref.run_id, "publish"):
        run.publish_night(engine, district, ref, Landing(landing))
