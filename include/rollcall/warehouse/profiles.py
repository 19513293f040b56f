"""What checks of connections and pulls found, one row per district in `roster_ops.provider_profiles`."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from rollcall.warehouse.models import provider_profiles
from rollcall.warehouse.session import upsert


@dataclass(frozen=True)
class StoredProfile:
    """The last check of a district's connection.

    :param pinned_org: sourcedId of the org the connection belonged to when it first passed; None until then.
    :param profile: the provider as it was last seen, and the last check's steps.
    """

    checked_at: datetime
    passed: bool
    pinned_org: str | None
    profile: dict[str, Any]

    @property
    def largest_limit(self) -> int | None:
        """Rows per page the provider accepts at most, where it refuses more; None where it was never seen to."""
        found = self.profile.get("largest_limit")
        return found if isinstance(found, int) and found > 0 else None


def last_profile(connection: sa.Connection, district: str) -> StoredProfile | None:
    """The last check's result; None where the district was never checked."""
    columns = (
        provider_profiles.c.checked_at,
        provider_profiles.c.passed,
        provider_profiles.c.pinned_org,
        provider_profiles.c.profile,
    )
    query = sa.select(*columns).where(provider_profiles.c.district_id == district)
    row = connection.execute(query).one_or_none()
    return StoredProfile(*row) if row else None


def store_profile(connection: sa.Connection, district: str, found: StoredProfile, *, replace_pin: bool = False) -> None:
    """Keep a check's result in place of the one before.

    :param replace_pin: let its org take the place of the pinned one; else the first pin stays.
    """
    row = {
        "checked_at": found.checked_at,
        "passed": found.passed,
        "pinned_org": found.pinned_org,
        "profile": found.profile,
    }
    statement = upsert(provider_profiles).values(district_id=district, **row)
    if not replace_pin:
        row["pinned_org"] = sa.func.coalesce(provider_profiles.c.pinned_org, statement.excluded.pinned_org)
    connection.execute(statement.on_conflict_do_update(index_elements=[provider_profiles.c.district_id], set_=row))


def store_page_limit(connection: sa.Connection, district: str, limit: int, at: datetime) -> None:
    """Keep the largest limit a pull found, until a check tries a larger one. A district that was never checked gets a
    row too, without a pinned org.
    """
    statement = upsert(provider_profiles).values(
        district_id=district, checked_at=at, passed=True, profile={"largest_limit": limit}
    )
    kept = {"profile": provider_profiles.c.profile.op("||")(statement.excluded.profile)}
    connection.execute(statement.on_conflict_do_update(index_elements=[provider_profiles.c.district_id], set_=kept))
