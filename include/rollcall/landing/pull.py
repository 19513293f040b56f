"""The manifest of extract: what a pull asked for, what it received, and the proof that it is complete."""

from __future__ import annotations

from datetime import datetime
from typing import ClassVar, Literal

import msgspec
import pyarrow as pa

from rollcall.landing.manifests import Contract, Part
from rollcall.landing.zone import Landing, PullFolder
from rollcall.model.tables import ADDED_BY_VALIDATE, Table
from rollcall.oneroster.http import Usage
from rollcall.oneroster.pages import Proof

#: `full` requests everything; `delta` what was modified since the last pull, but orgs and academic sessions in full.
Mode = Literal["full", "delta"]


#: `sync` pulls and publishes, `remap` maps the published roster again, `replay` rewrites a past night from its pull,
#: `refetch` requests what was modified since a night whose pull was deleted, `rollback` restores an earlier roster,
#: `preview` pulls what the first decisions about a new district need and is never published.
RunKind = Literal["sync", "remap", "replay", "refetch", "rollback", "preview"]


class PullRef(Contract, frozen=True):
    """The pull of a run, and the kind of run. The only value that goes through XCom.

    :param pull_id: for a replay, the newest pull of its night.
    """

    district: str
    pull_id: str
    run_id: str
    kind: RunKind = "sync"

    def folder(self, landing: Landing) -> PullFolder:
        return landing.pull(self.district, self.pull_id)


class LandedCollection(Contract, frozen=True):
    """One collection of a pull, as it came.

    :param parts: per table (`users`, `user_roles`, …) the files.
    :param since: only records modified since then were asked for; None: the whole collection.
    :param unreadable: records that could not be decoded; they are in the pull's rejects.
    :param unidentified: those of them whose sourcedId could not be read: then the collection proves no absence tonight.
    :param not_landed: people who have no other role than those that stay outside (`drop`).
    """

    collection: str
    parts: dict[str, list[Part]]
    proof: Proof
    since: datetime | None = None
    unreadable: int = 0
    unidentified: int = 0
    not_landed: int = 0

    def rows(self, table: str) -> int:
        return sum(part.rows for part in self.parts.get(table, []))


class Pull(Contract, frozen=True):
    """The manifest of extract.

    :param as_of: the instant before the first request; all order in time is by it. A remap asks nobody: it has that of
        the roster it maps again.
    :param largest_limit: rows per page the provider accepts at most, if this pull found that it refuses more.
    :param is_by_own_clock: whether `as_of` is by the machine's clock alone, because the warehouse did not answer.
    :param kind: what the run that made it is: a `remap` brings nothing, a `refetch` moves no watermark.
    """

    STAGE: ClassVar[str] = "extract"

    district: str
    pull_id: str
    run_id: str
    as_of: datetime
    mode: Mode
    version: Literal["1.1", "1.2"]
    base_url: str
    collections: list[LandedCollection]
    rejects: list[Part] = []
    usage: Usage = msgspec.field(default_factory=Usage)
    kind: RunKind = "sync"
    largest_limit: int | None = None
    is_by_own_clock: bool = False


def landed_schema(table: Table) -> pa.Schema:
    """What extract writes: everything as text, so that validate can judge a date that is none."""
    made_later = ADDED_BY_VALIDATE.get(table.name, ())
    return pa.schema([(name, pa.string()) for name in table.names if name not in made_later])
