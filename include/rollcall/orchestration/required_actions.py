"""What the DAG `roster_holds` asks, and what it does with the answer. Plain values in and out, nothing of Airflow.

A question is a hold at one instant. When rows are added to the hold, or a decision about it ends, that is another
question with a run of its own. The earlier run then ends by itself.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime

import sqlalchemy as sa

from rollcall.errors import ActionRequired, redact_errors
from rollcall.holds import decisions, queries, render
from rollcall.holds.queries import HoldDetails
from rollcall.warehouse.session import ConnectionFields, connect, url_of

log = logging.getLogger(__name__)

#: The task that waits, as a path of Airflow's REST API. `{}` is the run's ID.
WAITING_TASK = "/dags/roster_holds/dagRuns/{}/taskInstances/decision/-1/hitlDetails"

#: The options of a required action, worded like Airflow's own approvals.
APPROVE, REJECT = "Approve", "Reject"

#: The parameters of a run of `roster_holds`: `hold`, and `asked_at` to identify the question.
HoldQuestion = dict[str, str]


def run_of(held: HoldDetails) -> str:
    """The ID of the run of `roster_holds` that asks about a hold as it is."""
    return f"{held.hold_id}__{held.question_at:%Y%m%dT%H%M%S}"


def open_questions(district: str, warehouse: ConnectionFields) -> dict[str, HoldQuestion]:
    """The questions about a district: per run ID of `roster_holds`, the run's parameters."""
    with _connected(warehouse, district) as connection:
        waiting = [held for held in queries.active_holds(connection, district) if held.status == "open"]
    return {run_of(held): {"hold": held.hold_id, "asked_at": held.question_at.isoformat()} for held in waiting}


def warn_not_started(run_id: str, refusal: str) -> None:
    """Log that Airflow did not start the run of a question. The district's next publication tries again."""
    log.warning("Airflow did not start %s: %s. To see open holds, run: rollcall holds list", run_id, refusal)


def render_question(question: HoldQuestion, warehouse: ConnectionFields) -> tuple[str, str] | None:
    """Subject and body of a question; None if it is no longer open."""
    with _connected(warehouse) as connection:
        held = _find_open(connection, question)
        if held is None:
            return None
        return render.render_subject(held), render.render_body(held, queries.rows_by_school(connection, held))


def record_answer(
    question: HoldQuestion, chosen: list[str], by: str, reason: str, warehouse: ConnectionFields
) -> dict[str, str] | None:
    """Record a decision.

    :param chosen: `[APPROVE]`, `[REJECT]`, or empty if the decision was made elsewhere.
    :returns: district and mode of the run that applies an approval; None if there is nothing to run.
    """
    with _connected(warehouse) as connection:
        held = _find_open(connection, question)
        if held is None or not chosen:
            arguments = held.command_arguments if held else question["hold"]
            log.info("Nothing was decided here. To see the hold, run: rollcall holds show %s", arguments)
            return None
        reason = reason or "decided in Airflow"
        if chosen == [REJECT]:
            rejected = decisions.reject(connection, held.hold_id, by=by, reason=reason)
            log.info("%s is rejected: %s rows stay as published.", held.hold_id, rejected.left)
            return None
        approved = decisions.approve(connection, held.hold_id, by=by, reason=reason)
        log.info(
            "%s: %s rows approved, %s no longer needed a decision.",
            held.hold_id,
            approved.approved,
            len(approved.no_longer),
        )
        return {"district": held.district, "mode": render.apply_mode(held)} if approved.approved else None


def _find_open(connection: sa.Connection, question: HoldQuestion) -> HoldDetails | None:
    try:
        held = queries.find_hold(connection, question["hold"])
    except ActionRequired:  # the district's data was deleted
        return None
    is_same = held.question_at == datetime.fromisoformat(question["asked_at"])
    return held if is_same and held.status == "open" else None


@contextmanager
def _connected(warehouse: ConnectionFields, district: str = "") -> Iterator[sa.Connection]:
    engine = connect(url_of(warehouse))
    try:
        with redact_errors("holds", district=district), engine.begin() as connection:
            yield connection
    finally:
        engine.dispose()
