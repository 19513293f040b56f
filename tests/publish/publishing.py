"""Publishing in a process of its own, which a test may kill."""

from __future__ import annotations

from include import night
from include.contracts import PullRef
from include.landing import Landing
from include.settings import District
from include.warehouse.connect import connect, warehouse_from_environment


def publish(url: str, district: District, ref: PullRef, landing: str) -> None:
    """What the task publish does."""
    night.publish_night(connect(warehouse_from_environment(url)), district, ref, Landing(landing))
