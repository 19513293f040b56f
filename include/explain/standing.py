"""How a district stands: which roster readers have, when the next pull comes, and what keeps it from coming."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

import sqlalchemy as sa

from include.explain.words import moment
from include.settings import District, Nights, night_of, rules_digest
from include.warehouse.models import districts, pulls, runs, state


@dataclass(frozen=True)
class Standing:
    """A district now.

    :param settings: its file; its sites are plain targets.
    :param published: the row of `state`; None before the first publication.
    :param pull: mode and proofs of the pull readers have.
    :param failed: the newest sync, where it failed.
    :param is_campus: whether its provider is Infinite Campus, whose screens an answer names.
    :param now: when it was asked.
    """

    settings: District
    published: dict[str, Any] | None
    pull: dict[str, Any] | None
    failed: dict[str, Any] | None
    is_campus: bool
    now: datetime

    @property
    def timezone(self) -> str:
        return self.settings.schedule.timezone

    @property
    def night(self) -> date:
        """The night whose roster readers have; tonight before the first publication."""
        return night_of(self.published["current_as_of"] if self.published else self.now, self.timezone)

    @property
    def paused(self) -> str:
        """Why publication is paused; empty while it is not."""
        return str(self.published["paused"]) if self.published else ""

    @property
    def next_pull(self) -> datetime:
        """When the district's next night begins, as its schedule says."""
        return next(Nights(self.settings).after(self.now)).begins

    def next_words(self) -> str:
        """The next pull, or why there is none."""
        if not self.settings.enabled:
            return "once the district is switched on again"
        if self.paused:
            return "once publication is resumed"
        return moment(self.next_pull, self.timezone)

    def last_words(self) -> str:
        """When the pull began that readers have."""
        return moment(self.published["current_as_of"], self.timezone) if self.published else "never"

    def notes(self) -> list[str]:
        """What a reader of any answer has to know about the district."""
        told = []
        if self.published and self.pull:
            told.append(f"Readers have the {self.pull['mode']} pull of {self.last_words()}.")
        if not self.settings.enabled:
            told.append(f"The district is switched off (enabled: false in {self.settings.district}.yaml).")
        if self.paused:
            told.append(f"Publication is paused: {self.paused}")
        if self.failed:
            told.append(f"The newest run failed in {self.failed['failed_stage']}: {self.failed['error_message']}")
        if self.published and self.published["rules_digest"] != rules_digest(self.settings):
            told.append("The district's file has changed since; what it says now counts from the next publication on.")
        return told


def standing(connection: sa.Connection, settings: District, now: datetime) -> Standing:
    """Look up how the district stands.

    :param settings: with plain targets (`include.warehouse.site_targets.with_targets`).
    """
    key = settings.district
    now_published = _one(connection, sa.select(state).where(state.c.district_id == key))
    pull = None
    if now_published is not None:
        where = (pulls.c.district_id == key, pulls.c.pull_id == now_published["current_pull_id"])
        pull = _one(connection, sa.select(pulls).where(*where))
    newest = sa.select(runs).where(runs.c.district_id == key, runs.c.kind == "sync", runs.c.status != "running")
    last = _one(connection, newest.order_by(runs.c.started_at.desc()).limit(1))
    base_url = connection.execute(sa.select(districts.c.base_url).where(districts.c.district_id == key)).scalar()
    return Standing(
        settings=settings,
        published=now_published,
        pull=pull,
        failed=last if last is not None and last["status"] == "failed" else None,
        is_campus="/campus/" in (base_url or ""),
        now=now,
    )


def _one(connection: sa.Connection, query: sa.Select[Any]) -> dict[str, Any] | None:
    row = connection.execute(query).mappings().one_or_none()
    return dict(row) if row is not None else None
