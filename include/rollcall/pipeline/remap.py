"""Applies changed district settings to the published roster, without SIS requests.

A remap is a normal run with an empty pull: merge finds no records, all accounts are mapped, the guard judges them, and
publish applies them. Its instant is that of the roster it maps, so history records it like a replay of the newest
night. `_changed_at` has the time of the remap.
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


def prepare_remap(
    engine: sa.Engine, district: District, run_id: str, landing: Landing, now: datetime | None = None
) -> PullRef:
    """Start the run, and write the empty manifests that extract and validate would write.

    :raises ActionRequired: `not_published` before the first publication, `district_disabled`, `warehouse_version`.
    :raises RollcallError: `warehouse_unreachable`.
    """
    key, now = district.district, now or datetime.now(UTC)
    run.enter_run(engine, district, run_id, night_of(now, district.schedule.timezone), "remap")
    with redact_errors("remap", district=key), engine.connect() as connection:
        whose = districts.c.district_id == state.c.district_id
        known = sa.select(state.c.current_as_of, districts.c.base_url).join(districts, whose)
        known = known.where(state.c.district_id == key)
        published = connection.execute(known).one_or_none()
    if published is None:
        raise ActionRequired(
            "not_published",
            f"{district.name} has not been published yet, so there is nothing to remap.",
            remedy=f"Publish it first: rollcall sync {key}",
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
