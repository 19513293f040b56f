"""A check with the warehouse around it: what was known before, the shared budget, and the profile that is kept.

A connection can be checked without a warehouse, or while it is down; then that is said in a line and nothing is kept.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from include.check.examination import check
from include.check.pasted import Pasted
from include.check.profile import Org, ProviderProfile
from include.check.steps import Checked
from include.check.table import plain_step
from include.errors import RollcallError, stage_edge
from include.settings import District
from include.warehouse.connect import reached
from include.warehouse.lease import HostLease
from include.warehouse.migrate import require_version
from include.warehouse.profiles import StoredProfile, last_profile, store_profile


@dataclass(frozen=True)
class Recorded:
    """A check, and a line about what was not kept of it (empty: it was kept)."""

    checked: Checked
    not_kept: str = ""


def check_and_record(
    district: District,
    find: Callable[[], Pasted],
    engine: sa.Engine | None,
    *,
    count_people: bool = False,
    pin_anew: bool = False,
    keep_failure: bool = True,
) -> Recorded:
    """Check a district's connection and keep the provider's profile.

    :param engine: of the warehouse; None where there is none.
    :param pin_anew: take the district org the connection shows now for the right one.
    :param keep_failure: keep also that a check failed; of a district that is not taken in yet there is nothing to keep.
    """
    last, not_kept = _last(engine, district)
    engine = None if not_kept else engine
    before = ProviderProfile.from_plain(last.profile) if last else None
    with ExitStack() as opened:
        checked = check(
            district,
            find,
            before=before,
            pinned=None if pin_anew else _pinned(last, before),
            budget=opened.enter_context(HostLease(engine.url, district)) if engine is not None else None,
            count_people=count_people,
        )
    if engine is not None and (checked.passed or keep_failure):
        with stage_edge("check", district=district.district), engine.begin() as connection:
            found = _to_keep(checked, before, last)
            store_profile(connection, district.district, found, pin_anew=pin_anew and checked.passed)
    return Recorded(checked, not_kept)


def _last(engine: sa.Engine | None, district: District) -> tuple[StoredProfile | None, str]:
    """What was found last time, and why nothing can be kept."""
    if engine is None:
        return None, "No warehouse is named: no profile is kept, and whose connection it was before is not known."
    try:
        reached(engine)
        with engine.connect() as connection:
            require_version(connection)
            return last_profile(connection, district.district), ""
    except RollcallError as error:
        return None, f"{error.message} No profile is kept, and whose connection it was before is not known."


def _pinned(last: StoredProfile | None, before: ProviderProfile | None) -> Org | None:
    if last is None or last.pinned_org is None:
        return None
    org = before.district_org if before else None
    return org if org is not None and org.sourced_id == last.pinned_org else Org(last.pinned_org, "")


def _to_keep(checked: Checked, before: ProviderProfile | None, last: StoredProfile | None) -> StoredProfile:
    """A failed check keeps what was known of the provider, for what it saw may be half of it."""
    seen = checked.profile.over(before) if checked.passed and checked.profile else before
    # a pull may have found the largest limit before any check reached the provider
    profile: dict[str, Any] = seen.plain() if seen else {"largest_limit": last.largest_limit if last else None}
    profile |= {"steps": [plain_step(step) for step in checked.steps], "changes": list(checked.changes)}
    org = checked.district_org if checked.passed else None
    return StoredProfile(checked.checked_at, checked.passed, org.sourced_id if org else None, profile)
