"""Applies a changed mapping to the published roster, with no SIS requests.

A remap is a run with an empty pull: the change set has no records, all accounts are mapped again, the guard judges
them, and publish applies them. Its content is as of the roster that it maps again, so for history it is a replay of the
newest night. In staging, `_changed_at` is the time of the remap.
"""

from __future__ import annotations

import secrets
from datetime import UTC, datetime

import sqlalchemy as sa

from rollcall.errors import ActionRequired, redact_errors
from rollcall.landing.manifests import save
from rollcall.landing.pull import Pull, PullRef
from rollcall.landing.validated import Validated
from rollcall.landing.zone import Landing
from rollcall.pipeline import run
from rollcall.settings import District, night_of
from rollcall.warehouse.ops_models import districts, state


def prepare_remap(engine: sa.Engine, district: District, run_id: str, landing: Landing) -> PullRef:
    """Enter the run and leave what extract and validate would, empty.

    :raises ActionRequired: `not_published` where there is nothing to map again, `district_disabled`,
    `warehouse_version`. :raises RollcallError: `warehouse_unreachable`.
    """
    key, now = district.district, datetime.now(UTC)
    run.enter_run(engine, district, run_id, night_of(now, district.schedule.timezone), "remap")
    with redact_errors("remap", district=key), engine.connect() as connection:
        whose = districts.c.district_id == state.c.district_id
        known = sa.select(state.c.current_as_of, districts.c.base_url).join(districts, whose)
        known = known.where(state.c.district_id == key)
        published = connection.execute(known).one_or_none()
    if published is None:
        raise ActionRequired(
            "not_published",
            f"{district.name} has not been published yet, so there is nothing to map again.",
            remedy=f"Sync it first: rollcall sync {key}",
            district=key,
        )
    ref = PullRef(district=key, pull_id=f"{now:%Y%m%dT%H%M%SZ}-{secrets.token_hex(4)}", run_id=run_id, kind="remap")
    folder = ref.folder(landing)
    pull = Pull(
        district=key,
        pull_id=ref.pull_id,
        run_id=run_id,
        as_of=published.current_as_of,
        mode="delta",
        version=district.version,
        base_url=published.base_url,
        collections=[],
        kind="remap",
    )
    save(folder, pull)
    save(folder, Validated(collections=[], rejects=[], findings=[]))
    return ref
