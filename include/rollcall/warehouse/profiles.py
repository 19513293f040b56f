"""Results of connection checks and pulls: one row per district in `roster_ops.provider_profiles`."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from rollcall.warehouse.ops_models import provider_profiles
from rollcall.warehouse.session import upsert


@dataclass(frozen=True)
class StoredProfile:
    """The last check of a district's connection.

    :param pinned_org: sourcedId of the connection's org at its first passed check. None until then.
    :param profile: the provider's capabilities and the steps of the last check.
    """

    checked_at: datetime
    passed: bool
    pinned_org: str | None
    profile: dict[str, Any]

    @property
    def largest_limit(self) -> int | None:
        """The most rows per page that the provider accepts. None if no limit is known."""
        limit = self.profile.get("largest_limit")
        return limit if isinstance(limit, int) and limit > 0 else None


def last_profile(connection: sa.Connection, district: str) -> StoredProfile | None:
    """The last check's result. None if the district was never checked."""
    columns = (
        provider_profiles.c.checked_at,
        provider_profiles.c.passed,
        provider_profiles.c.pinned_org,
        provider_profiles.c.profile,
    )
    query = sa.select(*columns).where(provider_profiles.c.district_id == district)
    row = connection.execute(query).one_or_none()
    return StoredProfile(*row) if row else None


def districts_of_org(connection: sa.Connection, org: str, base_url: str) -> list[str]:
    """The districts whose connection belongs to an org at a Base URL."""
    query = sa.select(provider_profiles.c.district_id).where(
        provider_profiles.c.pinned_org == org, provider_profiles.c.profile["base_url"].astext == base_url
    )
    return list(connection.execute(query.order_by(provider_profiles.c.district_id)).scalars())


def store_profile(
    connection: sa.Connection, district: str, checked: StoredProfile, *, replace_pin: bool = False
) -> None:
    """Replace the stored result of the last check.

    :param replace_pin: replace the pinned org too. Otherwise the first pin stays.
    """
    row = {
        "checked_at": checked.checked_at,
        "passed": checked.passed,
        "pinned_org": checked.pinned_org,
        "profile": checked.profile,
    }
    statement = upsert(provider_profiles).values(district_id=district, **row)
    if not replace_pin:
        row["pinned_org"] = sa.func.coalesce(provider_profiles.c.pinned_org, statement.excluded.pinned_org)
    connection.execute(statement.on_conflict_do_update(index_elements=[provider_profiles.c.district_id], set_=row))


def store_page_limit(connection: sa.Connection, district: str, limit: int, at: datetime) -> None:
    """Store the page limit that a pull found, until a check finds a larger one. A district that was never checked gets
    a row without a pinned org.
    """
    statement = upsert(provider_profiles).values(
        district_id=district, checked_at=at, passed=True, profile={"largest_limit": limit}
    )
    merged = {"profile": provider_profiles.c.profile.op("||")(statement.excluded.profile)}
    connection.execute(statement.on_conflict_do_update(index_elements=[provider_profiles.c.district_id], set_=merged))
