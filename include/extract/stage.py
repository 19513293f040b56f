"""The stage extract: everything a district shares, pulled in one go into the landing zone.

All collections of a pull come through one client, so through one token, one budget of requests and one clock. They are
read in parallel, and begun with those that refer to others: what is made on the provider's side during a pull is then
more likely to be there when something refers to it.
"""

from __future__ import annotations

import dataclasses
import logging
import secrets
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from datetime import UTC, datetime

from include.contracts import LandedCollection, Mode, Part, Pull, PullRef, Usage, save
from include.errors import RollcallError, stage_edge
from include.extract.collection import CollectionLanding
from include.extract.progress import Progress, Teller
from include.landing import Landing, PullFolder
from include.oneroster.client import OneRosterClient
from include.settings import District

log = logging.getLogger("rollcall.extract")

#: Seconds between two lines of the log while collections are being read.
TOLD_EVERY = 10.0


class _Stopped(Exception):
    """Another collection of the pull failed; this one need not go on."""


def extract(
    client: OneRosterClient,
    district: District,
    landing: Landing,
    *,
    run_id: str,
    mode: Mode = "full",
    collections: Sequence[str] = (),
    progress: Progress | None = None,
    now: Callable[[], datetime] = lambda: datetime.now(UTC),
) -> PullRef:
    """Pull a district.

    :param run_id: of the run that asks for the pull.
    :param collections: narrows what is pulled; empty means all the district's settings name.
    :param progress: is told after each page.
    :param now: the clock, for tests.
    :returns: the pull; its manifest says what it holds, and how it is known to be complete. A pull that is unproven or
        empty is recorded as such: what follows from it is for later stages to say.
    :raises RollcallError: what the client raises, with the collection named; then there is no manifest.
        `collection_not_pulled` for a collection the district's settings do not name.
    """
    with stage_edge("extract", district=district.district):
        wanted = _narrowed(district, collections)
        as_of = now()
        ref = PullRef(
            district=district.district,
            pull_id=f"{as_of:%Y%m%dT%H%M%SZ}-{secrets.token_hex(4)}",
            run_id=run_id,
        )
        folder = ref.folder(landing)
        base_url = client.base_url
        log.info("%s: pulling %s", ref.pull_id, ", ".join(wanted))
        landed = _read_all(client, district, folder, wanted, progress)
        pull = Pull(
            district=ref.district,
            pull_id=ref.pull_id,
            run_id=run_id,
            as_of=as_of,
            mode=mode,
            version=client.version,
            base_url=base_url,
            collections=[landed[name][0] for name in wanted],
            rejects=[part for name in wanted for part in landed[name][1]],
            usage=Usage(**dataclasses.asdict(client.usage)),
        )
        save(folder, pull)
        return ref


def _narrowed(district: District, collections: Sequence[str]) -> list[str]:
    wanted = district.wanted()
    if others := [name for name in collections if name not in wanted]:
        raise RollcallError(
            "collection_not_pulled",
            f"{', '.join(others)}: not among what is pulled for this district ({', '.join(wanted)}).",
            remedy="Name some of these, or none for all; the district's YAML decides (`collections`, `demographics`).",
            district=district.district,
        )
    return [name for name in wanted if not collections or name in collections]


_Landed = tuple[LandedCollection, list[Part]]


def _read_all(
    client: OneRosterClient, district: District, folder: PullFolder, wanted: list[str], progress: Progress | None
) -> dict[str, _Landed]:
    """Read the collections in parallel; the first failure stops all of them after the page they are at."""
    not_landed = [role for role, target in district.roles.items() if target == "do_not_land"]
    teller = Teller(progress, lambda: client.usage.most_at_once)
    stop = threading.Event()

    def read(collection: str) -> _Landed:
        made = CollectionLanding(folder, collection, not_landed, attempt=1)
        reader = client.pages(collection)
        for page in reader:
            if stop.is_set():
                raise _Stopped
            if page.attempt != made.attempt:
                made = CollectionLanding(folder, collection, not_landed, page.attempt)
            made.add(page)
            teller.page(collection, made.received, page.total)
        proof = reader.proof
        if made.attempt != proof.attempt:  # begun again, and then without a page
            made = CollectionLanding(folder, collection, not_landed, proof.attempt)
        landed, rejects = made.finish(proof)
        told = f"{proof.kind} ({proof.why})" if proof.why else proof.kind
        teller.done(collection, proof.received, landed.unreadable, told)
        return landed, rejects

    with ThreadPoolExecutor(district.politeness.concurrency, thread_name_prefix="extract") as pool:
        reading = {pool.submit(read, name): name for name in reversed(wanted)}
        try:
            _watch(reading, teller, district.district)
        finally:
            stop.set()
            pool.shutdown(cancel_futures=True)
    return {name: future.result() for future, name in reading.items()}


def _watch(reading: dict[Future[_Landed], str], teller: Teller, district: str) -> None:
    """Wait for all, or for the first failure, which is raised with its collection's name."""
    pending: set[Future[_Landed]] = set(reading)
    while pending:
        done, pending = wait(pending, timeout=TOLD_EVERY, return_when=FIRST_EXCEPTION)
        for future in done:
            try:
                future.result()
            except RollcallError as error:
                raise type(error)(
                    error.code, f"{reading[future]}: {error.message}", remedy=error.remedy, district=district
                ) from None
        if pending:
            teller.under_way()
