"""How far a pull is, for people who watch it: rows per collection of a district's newest run. Counts only."""

from __future__ import annotations

import threading
import time
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa

from rollcall.warehouse.ops_models import run_progress
from rollcall.warehouse.session import upsert

#: Seconds between two writes for a collection, and until the next one after the warehouse did not answer.
_EVERY = 2.0
_RETRY_AFTER = 30.0


class ProgressWriter:
    """Writes a pull's progress, as extract reports it. A warehouse that does not answer never stops a pull.

    :param engine: of the warehouse. A write takes a session for a moment.
    """

    def __init__(self, engine: sa.Engine, district: str, run_id: str) -> None:
        self._engine = engine
        self._district = district
        self._run_id = run_id
        self._written: dict[str, float] = {}
        self._down_until = 0.0
        self._lock = threading.Lock()

    def __call__(
        self,
        collection: str,
        rows: int,
        total: int | None,
        at_once: int,  # noqa: ARG002 - part of the protocol
        seconds_left: float | None,
        waiting: float | None,
    ) -> None:
        with self._lock:
            now = time.monotonic()
            is_last = total is not None and rows >= total
            if now < self._down_until or (not is_last and now - self._written.get(collection, -_EVERY) < _EVERY):
                return
            self._written[collection] = now
        values = {
            "run_id": self._run_id,
            "rows": rows,
            "total": total,
            "seconds_left": seconds_left,
            "waiting": waiting,
            "updated_at": datetime.now(UTC),
        }
        row = upsert(run_progress).values(district_id=self._district, collection=collection, **values)
        try:
            with self._engine.begin() as connection:
                connection.execute(row.on_conflict_do_update(index_elements=["district_id", "collection"], set_=values))
        except sa.exc.SQLAlchemyError:
            self._down_until = time.monotonic() + _RETRY_AFTER


def read(connection: sa.Connection, district: str, run_id: str) -> list[dict[str, Any]]:
    """The collections of a run: collection, rows, total, seconds_left, waiting. Empty if it is not the newest."""
    query = sa.select(run_progress).where(run_progress.c.district_id == district, run_progress.c.run_id == run_id)
    return [dict(row) for row in connection.execute(query.order_by(run_progress.c.collection)).mappings()]
