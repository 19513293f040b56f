"""Publishing in a process of its own, which a test may kill."""

from __future__ import annotations

from include import night
from include.contracts import PullRef
from include.landing import Landing
from include.settings import District
from include.warehouse.connect import connect, warehouse_from_environment


def publish(url: str, district: District, ref: PullRef, landing: str) -> None:
    """What the task publish does."""
    engine = connect(warehouse_from_environment(url))
    with night.recorded(engine, district.district, ref.run_id, "publish"):
        night.publish_night(engine, district, ref, Landing(landing))
