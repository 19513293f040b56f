"""Backfills from a terminal: which past nights need it, and how each is done.

Airflow's own backfill starts one run per night, which calls the same functions, `begin_replay` and `replay`.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import date, timedelta

import sqlalchemy as sa

from rollcall.display.dates import format_date
from rollcall.errors import ActionRequired, RollcallError
from rollcall.history.pulls import begin_replay, pulls_of_night, refetch_message
from rollcall.history.replay import replay
from rollcall.landing.pull import PullRef
from rollcall.landing.zone import Landing
from rollcall.orchestration.terminal import Terminal, run_stages, terminal_run_id
from rollcall.pipeline.stage_record import recorded_run, recorded_stage
from rollcall.settings import District, night_of
from rollcall.warehouse.ops_models import runs
from rollcall.warehouse.session import warehouse_transaction


@dataclass(frozen=True)
class Outcome:
    """The result of one night.

    :param result: `skipped`, `replayed`, `published`, `paused`, `re-fetched`, or `failed`.
    """

    district: str
    night: str
    result: str
    message: str

    def plain(self) -> dict[str, str]:
        return asdict(self)


def nights_between(first: date, last: date, today: date) -> list[date]:
    """Every night from the first to the last.

    :raises ActionRequired: `nights_order`, `nights_future`.
    """
    if last < first:
        raise ActionRequired(
            "nights_order",
            f"{format_date(first)} is after {format_date(last)}.",
            remedy="Give the earlier night as --from.",
        )
    if last > today:
        raise ActionRequired(
            "nights_future", f"The night of {format_date(last)} is in the future.", remedy=f"End with --to {today}."
        )
    return [first + timedelta(days=day) for day in range((last - first).days + 1)]


@dataclass(frozen=True)
class LedgerNight:
    """What the ledger has about a past night.

    :param is_done: whether one of its runs was published or replayed. If not, the night is missing or failed.
    :param is_covered: whether a re-fetch for this night, or for an earlier one, requested everything modified since.
    """

    is_done: bool
    is_covered: bool


def read_ledger(engine: sa.Engine, district: District, night: date) -> LedgerNight:
    """What the ledger has about a night.

    :raises RollcallError: `warehouse_unreachable`, `warehouse_version`.
    """
    query = sa.select(runs.c.night, runs.c.kind, runs.c.as_of).where(
        runs.c.district_id == district.district,
        runs.c.status.in_(["published", "replayed"]),
        runs.c.kind.in_(["sync", "replay", "refetch"]),
        runs.c.night <= night,
    )
    with warehouse_transaction(engine, "backfill", district=district.district) as connection:
        found = connection.execute(query).all()
    zone = district.schedule.timezone
    return LedgerNight(
        is_done=any(row.night == night for row in found),
        is_covered=any(row.kind == "refetch" and night <= night_of(row.as_of, zone) for row in found),
    )


def backfill_night(engine: sa.Engine, district: District, landing: Landing, night: date, *, every: bool) -> Outcome:
    """Backfill one night. An error is its outcome, so the other nights continue.

    :param every: include a night that is already done.
    """
    known, is_kept = read_ledger(engine, district, night), bool(pulls_of_night(landing, district, night))
    if known.is_done and not every:
        return _outcome(district, night, "skipped", "Already published or replayed. To replay it again, add --all.")
    if known.is_covered and not is_kept:
        return _outcome(
            district, night, "skipped", "No pull was kept, and everything modified since then is already fetched."
        )
    run_id = terminal_run_id(district, night)
    try:
        with recorded_run(engine, district.district, run_id):
            begun = begin_replay(engine, district, landing, run_id, night)
            if isinstance(begun, PullRef):
                with recorded_stage(engine, district.district, run_id, "replay"):
                    done = replay(engine, district, begun, landing)
                return _outcome(district, night, done.status, done.why or f"Published as generation {done.generation}.")
            with Terminal(district.name) as terminal:
                done = run_stages(engine, district, landing, run_id, begun, terminal)
            return _outcome(district, night, "re-fetched", f"{refetch_message(night, begun)} {done.why}".strip())
    except RollcallError as error:
        return _outcome(district, night, "failed", str(error))


def _outcome(district: District, night: date, result: str, message: str) -> Outcome:
    return Outcome(district.district, night.isoformat(), result, message)
