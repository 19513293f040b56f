"""Districts and connections that a person is setting up on the page: one short-lived row each in `roster_ops.drafts`.

Several API servers and a background test share a draft, so it is a row and not a variable. Credentials are in `sealed`,
encrypted by the caller. `state` has no secret and nothing about people.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import sqlalchemy as sa

from rollcall.warehouse.ops_models import drafts
from rollcall.warehouse.session import JSON

#: A draft that nobody finished is deleted after a day.
LIFETIME = timedelta(hours=24)


@dataclass(frozen=True)
class Draft:
    """A draft as stored.

    :param district_id: the district whose connection changes; empty for a new district.
    :param sealed: the credentials, encrypted.
    """

    draft_id: str
    district_id: str
    created_by: str
    updated_at: datetime
    sealed: str
    state: dict[str, Any]


def create(
    connection: sa.Connection,
    *,
    district: str,
    by: str,
    sealed: str,
    state: dict[str, Any],
    now: datetime | None = None,
) -> str:
    """Store a new draft.

    :returns: its ID, which cannot be guessed.
    """
    draft_id, now = secrets.token_urlsafe(12), now or datetime.now(UTC)
    values = {"draft_id": draft_id, "district_id": district, "created_by": by, "created_at": now, "updated_at": now}
    connection.execute(sa.insert(drafts).values(**values, sealed=sealed, state=state))
    return draft_id


def find(connection: sa.Connection, draft_id: str, *, by: str, now: datetime | None = None) -> Draft | None:
    """A person's own draft. None if it does not exist, is another person's, or is older than a day."""
    columns = (drafts.c[name] for name in Draft.__dataclass_fields__)
    query = sa.select(*columns).where(
        drafts.c.draft_id == draft_id,
        drafts.c.created_by == by,
        drafts.c.created_at > (now or datetime.now(UTC)) - LIFETIME,
    )
    row = connection.execute(query).one_or_none()
    return Draft(*row) if row else None


def update(
    connection: sa.Connection,
    draft_id: str,
    state: dict[str, Any],
    *,
    sealed: str | None = None,
    attempt: str | None = None,
    now: datetime | None = None,
) -> bool:
    """Replace these keys of the state. Other keys stay, so a person and a test do not overwrite each other.

    :param attempt: change nothing if the draft's newest attempt is another one.
    :returns: whether there was such a draft.
    """
    values: dict[str, Any] = {
        "updated_at": now or datetime.now(UTC),
        "state": drafts.c.state.op("||")(sa.cast(state, JSON)),
    }
    values |= {} if sealed is None else {"sealed": sealed}
    where = [drafts.c.draft_id == draft_id]
    where += [] if attempt is None else [drafts.c.state["attempt"].astext == attempt]
    return connection.execute(sa.update(drafts).where(*where).values(**values)).rowcount > 0


def delete(connection: sa.Connection, draft_id: str) -> None:
    """Delete a draft with its credentials."""
    connection.execute(sa.delete(drafts).where(drafts.c.draft_id == draft_id))


def delete_expired(connection: sa.Connection, now: datetime) -> list[dict[str, Any]]:
    """Delete drafts older than a day.

    :returns: their states.
    """
    query = sa.delete(drafts).where(drafts.c.created_at <= now - LIFETIME).returning(drafts.c.state)
    return list(connection.execute(query).scalars())
