"""Finished pulls that are still in the landing zone, and the start of a run for a past night.

They count even if they were never published, so a warehouse that is down loses no night.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import date, datetime

import sqlalchemy as sa

from rollcall.display.dates import format_date
from rollcall.errors import RollcallError, redact_errors
from rollcall.extract.pull import Plan
from rollcall.landing.manifests import load
from rollcall.landing.pull import Pull, PullRef
from rollcall.landing.validated import Validated
from rollcall.landing.zone import Landing, PullFolder
from rollcall.pipeline import run
from rollcall.pipeline.plan import plan_refetch
from rollcall.settings import District, night_of


@dataclass(frozen=True)
class LandedPull:
    """A finished pull.

    :param pull: its manifest.
    """

    folder: PullFolder
    pull: Pull

    @property
    def as_of(self) -> datetime:
        return self.pull.as_of

    def night(self, district: District) -> date:
        return night_of(self.as_of, district.schedule.timezone)


def landed_pulls(landing: Landing, district: str) -> list[LandedPull]:
    """A district's pulls, oldest first, without remaps and previews."""
    found = []
    for pull_id in landing.pulls(district):
        folder = landing.pull(district, pull_id)
        try:
            pull = load(folder, Pull)
        except RollcallError:  # unfinished or abandoned
            continue
        if pull.kind not in ("remap", "preview"):
            found.append(LandedPull(folder, pull))
    return sorted(found, key=lambda known: (known.as_of, known.pull.pull_id))


def pulls_of_night(landing: Landing, district: District, night: date) -> list[Pull]:
    """The kept pulls of one night, oldest first."""
    return [known.pull for known in landed_pulls(landing, district.district) if known.night(district) == night]


def validate_by_current_rules(landing: Landing, district: District, known: LandedPull) -> Validated:
    """A pull's validation by the current rules. Validates again if it was validated by other rules or not at all."""
    # Great Expectations takes seconds to import
    from rollcall.expectations.severities import ruleset_digest
    from rollcall.validate.validation import validate

    try:
        validated = load(known.folder, Validated)
    except RollcallError:
        validated = None
    if validated is not None and validated.rules in ("", ruleset_digest(district)):
        return validated
    pull = known.pull
    return validate(landing, PullRef(district=pull.district, pull_id=pull.pull_id, run_id=pull.run_id), district)


log = logging.getLogger(__name__)


def begin_replay(engine: sa.Engine, district: District, landing: Landing, run_id: str, night: date) -> PullRef | Plan:
    """Start a run in the ledger.

    :returns: the night's newest pull, to replay. If none is kept, the plan of a new pull.

    :raises ActionRequired: `district_disabled`, `warehouse_version`.
    :raises RollcallError: `warehouse_unreachable`.
    """
    pulls = pulls_of_night(landing, district, night)
    run.enter_run(engine, district, run_id, night, "replay" if pulls else "refetch")
    if pulls:
        return PullRef(district=district.district, pull_id=pulls[-1].pull_id, run_id=run_id, kind="replay")
    with redact_errors("plan", district=district.district), engine.connect() as connection:
        plan = plan_refetch(connection, district, night)
    log.warning("%s: %s", district.name, refetch_message(night, plan))
    return plan


def refetch_message(night: date, plan: Plan) -> str:
    """The message for a night whose pull is not kept."""
    what = "everything" if plan.mode == "full" else "the changes since then"
    return (
        f"Re-fetched, not replayed: no pull of the night of {format_date(night)} is kept. This run pulls {what}. "
        "History of that night is not written, and no watermark moves."
    )
