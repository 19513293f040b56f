"""What a pull that did not finish left behind, so that a retry of its run goes on there instead of at the start.

It lies beside the pulls, under `district=<id>/runs/<digest of the run id>`: which pull the run began, what it was asked
for, and per collection what is in files and after which page. A pull that finished has its manifest and needs none of
this; it is deleted then.
"""

from __future__ import annotations

import contextlib
import hashlib
import logging
from collections.abc import Callable
from datetime import datetime, timedelta

import fsspec
import msgspec

from rollcall.errors import RollcallError
from rollcall.landing.manifests import Contract, ContractType, Part, from_json, load, to_json
from rollcall.landing.pull import LandedCollection, Mode, Pull, PullRef, Usage
from rollcall.landing.zone import Landing, PullFolder
from rollcall.oneroster.pages import Checkpoint

log = logging.getLogger(__name__)

#: A roster moves on while nobody reads it: what is older is not added to (one pull, one instant).
RESUME_WINDOW = timedelta(minutes=30)


class PullRequest(Contract, frozen=True):
    """What a pull was asked for, and of whom. Only a retry that asks for the very same goes on."""

    mode: Mode
    since: dict[str, datetime]
    school_years: list[str]
    pinned_org: str | None
    collections: list[str]
    not_landed: list[str]
    version: str
    base_url: str


class PartialCollection(Contract, frozen=True):
    """One collection of an unfinished pull.

    :param parts: per table the files with all rows up to the checkpoint, and no others.
    :param checkpoint: the last page that is in them; the reader goes on behind it. None: before the first page.
    :param landed: the manifest's entry, once the collection is complete.
    """

    collection: str
    received: int
    parts: dict[str, list[Part]]
    rejects: list[Part]
    unidentified: int
    not_landed: int
    checkpoint: Checkpoint | None
    since: datetime | None = None
    landed: LandedCollection | None = None
    pull_id: str = ""
    written_at: datetime | None = None


class StartedPull(Contract, frozen=True):
    """The pull a run began.

    :param usage: what earlier tries of it cost.
    """

    pull_id: str
    as_of: datetime
    asked: PullRequest
    written_at: datetime
    usage: Usage = msgspec.field(default_factory=Usage)


class ResumeJournal:
    """The pull of one run, between its first landed collection and its manifest.

    :param now: the clock.
    """

    def __init__(self, landing: Landing, district: str, run_id: str, now: Callable[[], datetime]) -> None:
        digest = hashlib.sha256(run_id.encode()).hexdigest()[:16]  # a run id of Airflow's is no name for a folder
        self._folder = PullFolder(landing.url, f"district={district}/runs/{digest}")
        self._landing = landing
        self._district = district
        self._run_id = run_id
        self._now = now

    def find(self, asked: PullRequest) -> StartedPull | None:
        """The pull to go on with, if this run began one, not long ago, with the same request, and did not finish it."""
        begun = self._read("pull", StartedPull)
        if begun is None or self._is_finished(begun):
            return None
        if begun.asked != asked:
            log.info("%s: not gone on with, for something else is asked for now", begun.pull_id)
            return None
        found = (self.collection(begun, name) for name in asked.collections)
        last = max([begun.written_at, *(so_far.written_at for so_far in found if so_far and so_far.written_at)])
        if self._now() - last > RESUME_WINDOW:
            log.info("%s: not gone on with, for it was left at %s", begun.pull_id, f"{last:%Y-%m-%d %H:%M} UTC")
            return None
        return begun

    def begin(self, pull_id: str, as_of: datetime, asked: PullRequest, usage: Usage) -> StartedPull:
        """Note which pull this run is at, and what it cost until now."""
        begun = StartedPull(pull_id=pull_id, as_of=as_of, asked=asked, written_at=self._now(), usage=usage)
        self._folder.write_manifest("pull", to_json(begun))
        return begun

    def collection(self, begun: StartedPull, collection: str) -> PartialCollection | None:
        """What is there of a collection of this pull."""
        so_far = self._read(collection, PartialCollection)
        return so_far if so_far and so_far.pull_id == begun.pull_id else None

    def note(self, begun: StartedPull, so_far: PartialCollection) -> None:
        """Note what is in files of a collection now."""
        noted = msgspec.structs.replace(so_far, pull_id=begun.pull_id, written_at=self._now())
        self._folder.write_manifest(so_far.collection, to_json(noted))

    def forget(self) -> None:
        """Delete the notes; storage that lets nobody delete keeps them, and they are known as finished."""
        files, path = fsspec.core.url_to_fs(f"{self._folder.url.rstrip('/')}/{self._folder.path}")
        with contextlib.suppress(OSError):
            files.rm(path, recursive=True)

    def _is_finished(self, begun: StartedPull) -> bool:
        ref = PullRef(district=self._district, pull_id=begun.pull_id, run_id=self._run_id)
        try:
            load(ref.folder(self._landing), Pull)
        except RollcallError:
            return False
        return True

    def _read(self, name: str, kind: type[ContractType]) -> ContractType | None:
        """None where there is nothing, or what another version of Rollcall wrote."""
        try:
            return from_json(self._folder.read_manifest(name), kind)
        except (RollcallError, msgspec.ValidationError):
            return None
