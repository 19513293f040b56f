"""The beginning of a run for a past night: is its pull kept, or has it to be fetched again?"""

from __future__ import annotations

import logging
from datetime import date

import sqlalchemy as sa

from include import night as nights
from include.contracts import PullRef
from include.errors import stage_edge
from include.extract.plan import Plan
from include.landing import Landing
from include.past.pulls import pulls_of_night
from include.plan_night import plan_refetch
from include.settings import District

log = logging.getLogger("rollcall.past")


def begin_past(engine: sa.Engine, district: District, landing: Landing, run_id: str, night: date) -> PullRef | Plan:
    """Enter the run; the night's newest pull to be replayed, or, where none is kept, what to ask the provider for.

    :raises NeedsPerson: `district_disabled`, `warehouse_version`.
    :raises RollcallError: `warehouse_unreachable`.
    """
    pulls = pulls_of_night(landing, district, night)
    nights.enter(engine, district, run_id, night, "replay" if pulls else "refetch")
    if pulls:
        return PullRef(district=district.district, pull_id=pulls[-1].pull_id, run_id=run_id, kind="replay")
    with stage_edge("plan", district=district.district), engine.connect() as connection:
        plan = plan_refetch(connection, district, night)
    log.warning("%s: %s", district.name, refetched(night, plan))
    return plan


def refetched(night: date, plan: Plan) -> str:
    """What to tell people about a night whose pull is gone."""
    what = "everything" if plan.mode == "full" else "what was modified since then"
    return (
        f"Re-fetched, not replayed: no pull of the night of {night} is kept, so {what} is asked for as it is now. "
        "History of that night is not written, and no watermark moves."
    )
