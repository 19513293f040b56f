"""Holds in the warehouse: what a run withheld lives on until somebody decides or the reason for it is gone."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from include.contracts import Hold
from include.warehouse.models import holds, run_holds


def record(connection: sa.Connection, district: str, run_id: str, as_of: datetime, found: Iterable[Hold]) -> None:
    """Enter what a run withheld: a hold that lives already goes on, with tonight's numbers."""
    connection.execute(sa.delete(run_holds).filter_by(district_id=district, run_id=run_id))
    for hold in found:
        seen = {
            "last_seen_at": as_of,
            "last_run_id": run_id,
            "rows": hold.rows,
            "published": hold.published,
            "looks_like": hold.looks_like,
        }
        name = {"district_id": district, "collection": hold.collection, "kind": hold.kind, "school": hold.school}
        opening = insert(holds).values(
            hold_id=":".join(part for part in (district, hold.collection, hold.kind, hold.school, run_id) if part),
            status="open",
            opened_at=as_of,
            opened_run_id=run_id,
            **name,
            **seen,
        )
        living = opening.on_conflict_do_update(
            index_elements=[holds.c.district_id, holds.c.collection, holds.c.kind, holds.c.school],
            index_where=holds.c.closed_at.is_(None),
            set_=seen,
        )
        hold_id = connection.execute(living.returning(holds.c.hold_id)).scalar_one()
        row = {"district_id": district, "run_id": run_id, "hold_id": hold_id, "rows": hold.rows}
        connection.execute(sa.insert(run_holds).values(row))
