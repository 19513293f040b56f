"""The journal of an unfinished pull. A retry of its run resumes there instead of starting over.

It is stored next to the pulls, under `district=<id>/runs/<digest of the run ID>`: the pull the run started, its
request, and per collection the files written and their last page. A finished pull has a manifest; its journal is
deleted.
"""

from __future__ import annotations

import contextlib
import hashlib
import logging
from collections.abc import Callable
from datetime import datetime, timedelta

import fsspec
import msgspec

from rollcall.display.dates import format_instant
from rollcall.errors import RollcallError
from rollcall.landing.manifests import Contract, ContractType, Part, from_json, load, to_json
from rollcall.landing.pull import LandedCollection, Mode, Pull, PullRef, Usage
from rollcall.landing.zone import Landing, PullFolder
from rollcall.oneroster.pages import Checkpoint

log = logging.getLogger(__name__)

#: An older pull is not resumed, because the roster changes meanwhile and a pull stands for one instant.
RESUME_WINDOW = timedelta(minutes=30)


class PullRequest(Contract, frozen=True):
    """What a pull requests, and from which provider. Only a retry with an equal request resumes."""

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

    :param parts: per table the files with exactly the rows up to the checkpoint.
    :param checkpoint: the last page in these files. None: no page yet.
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
    """The pull that a run started.

    :param usage: load of earlier tries on the provider.
    """

    pull_id: str
    as_of: datetime
    request: PullRequest
    written_at: datetime
    usage: Usage = msgspec.field(default_factory=Usage)


class ResumeJournal:
    """The journal of one run's pull, from its start to its manifest.

    :param now: the clock.
    """

    def __init__(self, landing: Landing, district: str, run_id: str, now: Callable[[], datetime]) -> None:
        digest = hashlib.sha256(run_id.encode()).hexdigest()[:16]  # an Airflow run ID is not a valid folder name
        self._folder = PullFolder(landing.url, f"district={district}/runs/{digest}")
        self._landing = landing
        self._district = district
        self._run_id = run_id
        self._now = now

    def find(self, request: PullRequest) -> StartedPull | None:
        """The pull to resume: started recently by this run with the same request, and not finished."""
        started = self.started()
        if started is None or self._is_finished(started):
            return None
        if started.request != request:
            log.info("%s: not resumed, because the request changed", started.pull_id)
            return None
        partials = (self.collection(started, name) for name in request.collections)
        last = max(
            [started.written_at, *(partial.written_at for partial in partials if partial and partial.written_at)]
        )
        if self._now() - last > RESUME_WINDOW:
            log.info("%s: not resumed, because it stopped at %s", started.pull_id, format_instant(last))
            return None
        return started

    def started(self) -> StartedPull | None:
        """The pull that this run started, as long as the journal is there."""
        return self._read("pull", StartedPull)

    def start(self, pull_id: str, as_of: datetime, request: PullRequest, usage: Usage) -> StartedPull:
        """Record the pull of this run and its load on the provider so far."""
        started = StartedPull(pull_id=pull_id, as_of=as_of, request=request, written_at=self._now(), usage=usage)
        self._folder.write_manifest("pull", to_json(started))
        return started

    def collection(self, started: StartedPull, collection: str) -> PartialCollection | None:
        """The recorded state of a collection of this pull."""
        partial = self._read(collection, PartialCollection)
        return partial if partial and partial.pull_id == started.pull_id else None

    def record(self, started: StartedPull, partial: PartialCollection) -> None:
        """Record the files of a collection."""
        stamped = msgspec.structs.replace(partial, pull_id=started.pull_id, written_at=self._now())
        self._folder.write_manifest(partial.collection, to_json(stamped))

    def delete(self) -> None:
        """Delete the journal. Storage without delete permission keeps it; the manifest shows that it is finished."""
        files, path = fsspec.core.url_to_fs(f"{self._folder.url.rstrip('/')}/{self._folder.path}")
        with contextlib.suppress(OSError):
            files.rm(path, recursive=True)

    def _is_finished(self, started: StartedPull) -> bool:
        ref = PullRef(district=self._district, pull_id=started.pull_id, run_id=self._run_id)
        try:
            load(ref.folder(self._landing), Pull)
        except RollcallError:
            return False
        return True

    def _read(self, name: str, kind: type[ContractType]) -> ContractType | None:
        """None: no entry, or an entry of another version of Rollcall."""
        try:
            return from_json(self._folder.read_manifest(name), kind)
        except (RollcallError, msgspec.ValidationError):
            return None
