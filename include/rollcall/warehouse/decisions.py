"""Who changed what, and when: one row per change that a person made. The values are settings, never secrets."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa

from rollcall.warehouse.ops_models import decisions
from rollcall.warehouse.session import ACQUIRE_LOCK


def record(
    connection: sa.Connection,
    district: str,
    action: str,
    *,
    by: str,
    subject: str = "",
    reason: str = "",
    before: Any = None,
    after: Any = None,
    now: datetime | None = None,
) -> None:
    """Add a decision.

    :param action: in snake_case, such as `sites_saved` or `hold_approved`.
    :param subject: what it is about, by ID, such as a hold or a sourcedId.
    :param before: JSON values before the change; `after` those after it.
    """
    connection.execute(
        sa.insert(decisions).values(
            district_id=district,
            decided_at=now or datetime.now(UTC),
            decided_by=by,
            action=action,
            subject=subject,
            reason=reason,
            before=before,
            after=after,
        )
    )


def lock(connection: sa.Connection, district: str) -> None:
    """Wait until no other transaction changes the district's settings, and keep others waiting until this one ends."""
    connection.execute(ACQUIRE_LOCK, {"name": f"settings {district}"})


def newest(
    connection: sa.Connection, district: str, *, actions: tuple[str, ...] = (), limit: int = 20
) -> list[dict[str, Any]]:
    """The newest decisions about a district, newest first.

    :param actions: only these; all by default.
    """
    query = sa.select(decisions).where(decisions.c.district_id == district)
    if actions:
        query = query.where(decisions.c.action.in_(actions))
    query = query.order_by(decisions.c.decision_id.desc()).limit(limit)
    return [dict(row) for row in connection.execute(query).mappings()]
