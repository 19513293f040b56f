"""What the DAG `roster_holds` asks and what becomes of the answer, with plain values in and out and nothing of Airflow.

A question is a hold as it stood at one instant. When rows join the hold, or a decision about it ends, that is another
question and gets a run of its own; the one before ends by itself.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime

import sqlalchemy as sa

from rollcall.errors import ActionRequired, redact_errors
from rollcall.holds import decisions, reading
from rollcall.holds.reading import Held
from rollcall.warehouse.session import ConnectionFields, connect, url_of

log = logging.getLogger(__name__)

#: The options of a required action, in the words Airflow's own approvals use.
APPROVE, REJECT = "Approve", "Reject"

#: The parameters of a run of `roster_holds`: `hold` and `asked_at`, which of its questions it is.
HoldQuestion = dict[str, str]


def questions(district: str, warehouse: ConnectionFields) -> dict[str, HoldQuestion]:
    """What has to be asked about a district: per run id of `roster_holds`, the run's parameters."""
    with _connected(warehouse, district) as connection:
        waiting = [held for held in reading.living(connection, district) if held.status == "open"]
    return {
        f"{held.hold_id}__{held.question_at:%Y%m%dT%H%M%S}": {
            "hold": held.hold_id,
            "asked_at": held.question_at.isoformat(),
        }
        for held in waiting
    }


def not_asked(run_id: str, refusal: str) -> None:
    """Say that Airflow did not start a question's run; the next publication of the district tries again."""
    log.warning("Airflow did not start %s: %s. `rollcall holds list` shows what waits.", run_id, refusal)


def question(asked: HoldQuestion, warehouse: ConnectionFields) -> tuple[str, str] | None:
    """Subject and body of a question; None where it is none any more."""
    with _connected(warehouse) as connection:
        held = _still_asked(connection, asked)
        return (reading.subject(held), reading.body(held, reading.schools(connection, held))) if held else None


def answer(
    asked: HoldQuestion, chosen: list[str], by: str, reason: str, warehouse: ConnectionFields
) -> dict[str, str] | None:
    """Write a decision down.

    :param chosen: `[APPROVE]`, `[REJECT]`, or nothing where somebody decided elsewhere.
    :returns: district and mode of the run that puts an approval into effect; None where there is nothing to run.
    """
    with _connected(warehouse) as connection:
        held = _still_asked(connection, asked)
        if held is None or not chosen:
            log.info("Nothing was decided here. `rollcall holds show %s` says how it stands.", asked["hold"])
            return None
        reason = reason or "decided in Airflow"
        if chosen == [REJECT]:
            rejected = decisions.reject(connection, held.hold_id, by=by, reason=reason)
            log.info("%s is rejected: %s rows stay as readers have them.", held.hold_id, rejected.left)
            return None
        approved = decisions.approve(connection, held.hold_id, by=by, reason=reason)
        log.info(
            "%s: %s rows are approved, %s no longer needed a decision.",
            held.hold_id,
            approved.approved,
            len(approved.no_longer),
        )
        return {"district": held.district, "mode": reading.mode(held)} if approved.approved else None


def _still_asked(connection: sa.Connection, asked: HoldQuestion) -> Held | None:
    try:
        held = reading.find(connection, asked["hold"])
    except ActionRequired:  # everything of the district was deleted
        return None
    is_same = held.question_at == datetime.fromisoformat(asked["asked_at"])
    return held if is_same and held.status == "open" else None


@contextmanager
def _connected(warehouse: ConnectionFields, district: str = "") -> Iterator[sa.Connection]:
    engine = connect(url_of(warehouse))
    try:
        with redact_errors("holds", district=district), engine.begin() as connection:
            yield connection
    finally:
        engine.dispose()
