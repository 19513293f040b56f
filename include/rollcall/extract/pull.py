"""The stage extract: what a district shares, pulled in one go into the landing zone.

All collections of a pull come through one client, so through one token, one budget of requests and one clock. Orgs are
first, for they say whose data this is; then academic sessions, which may turn a delta into a full pull. The others are
read in parallel, and begun with those that refer to others: what is made on the provider's side during a pull is then
more likely to be there when something refers to it.
"""

from __future__ import annotations

import logging
import secrets
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from rollcall.errors import ActionRequired, RollcallError, redact_errors
from rollcall.extract.progress import Progress, ProgressReporter
from rollcall.extract.reading import CollectionReader, Landed, prefix_errors
from rollcall.extract.resume import PullRequest, ResumeJournal
from rollcall.landing.manifests import read_rows, save
from rollcall.landing.pull import LandedCollection, Mode, Pull, PullRef, RunKind, Usage, landed_schema
from rollcall.landing.zone import Landing, PullFolder
from rollcall.model.tables import TABLES
from rollcall.oneroster.client import OneRosterClient
from rollcall.oneroster.columns import columns
from rollcall.oneroster.pages import Page, Proof
from rollcall.oneroster.records import OrgSummary, district_org
from rollcall.runtime.memory import collect_garbage_rarely
from rollcall.settings import District

# What a pull is asked to do.

#: Collections that are always read in full: they are small, and everything refers to them.
ALWAYS_FULL = ("orgs", "academic_sessions")


@dataclass(frozen=True)
class Plan:
    """Full or delta, and since when.

    :param since: per collection the instant (UTC, overlap included) after which records are asked for; a collection
        that is not in it is read in full. Empty for a full pull.
    :param school_years: the school years readers know; where others come, the pull becomes a full one.
    :param pinned_org: sourcedId of the org the connection belonged to when it was checked; a pull that shows another is
        refused before anything is landed. None: not checked yet.
    :param base_url: where the provider's service answered the last time; empty: not known.
    :param largest_limit: rows per page that the provider accepted the last time, where it had refused more.
    :param reason: why it is what it is, in words for the log and the ledger.
    :param kind: what the pull is made for.
    :param clock_ahead: how far the warehouse's clock, by which pulls are ordered, is ahead of this machine's; None
        where the warehouse did not answer.
    """

    mode: Mode
    since: Mapping[str, datetime] = field(default_factory=dict)
    school_years: frozenset[str] = frozenset()
    pinned_org: str | None = None
    base_url: str = ""
    largest_limit: int | None = None
    reason: str = ""
    kind: RunKind = "sync"
    clock_ahead: timedelta | None = timedelta()


FULL_PULL = Plan("full", reason="everything was asked for")


log = logging.getLogger(__name__)


def extract(
    client: OneRosterClient,
    district: District,
    landing: Landing,
    *,
    run_id: str,
    plan: Plan = FULL_PULL,
    collections: Sequence[str] = (),
    progress: Progress | None = None,
    now: Callable[[], datetime] = lambda: datetime.now(UTC),
) -> PullRef:
    """Pull a district.

    A retry of the same run goes on with the pull the run began, if that is not older than half an hour.

    :param run_id: of the run that asks for the pull.
    :param plan: full or delta, and since when.
    :param collections: narrows what is pulled; empty means all the district's settings name.
    :param progress: is told after each page, and every ten seconds.
    :param now: the clock, for tests.
    :returns: the pull; its manifest says what it holds, and how it is known to be complete. A pull that is unproven or
        empty is recorded as such: what follows from it is for later stages to say.
    :raises ActionRequired: `other_district` where the orgs are not those of the district that was checked; then nothing
        was landed.
    :raises RollcallError: what the client raises, with the collection named; then there is no manifest.
        `collection_not_pulled` for a collection the district's settings do not name.
    """
    with redact_errors("extract", district=district.district), collect_garbage_rarely():
        wanted = _narrowed(district, collections)
        if plan.base_url:
            client.assume_base_url(plan.base_url)
        if plan.largest_limit:
            client.assume_limit(plan.largest_limit)
        not_landed = sorted(role for role, target in district.roles.items() if target == "drop")
        asked = _asked(client, plan, wanted, not_landed)
        unfinished = ResumeJournal(landing, district.district, run_id, now)
        with ProgressReporter(
            progress, lambda: client.requests_in_flight, lambda: client.backoff_seconds_left
        ) as teller:
            begun = unfinished.find(asked)
            orgs = None
            if begun is None:
                as_of = now()
                orgs = _orgs(client, district, plan, teller)
                pull_id = f"{as_of:%Y%m%dT%H%M%SZ}-{secrets.token_hex(4)}"
                begun = unfinished.begin(pull_id, as_of, asked, Usage())
            ref = PullRef(district=district.district, pull_id=begun.pull_id, run_id=run_id)
            folder = ref.folder(landing)
            log.info("%s: pulling %s", ref.pull_id, ", ".join(wanted))
            reading = CollectionReader(client, ref.district, folder, unfinished, begun, not_landed, teller)
            try:
                mode, landed = _read(reading, folder, plan, wanted, orgs, district.extract.concurrency)
            except BaseException:
                unfinished.begin(begun.pull_id, begun.as_of, asked, _usage(client, begun.usage))
                raise
        pull = Pull(
            district=ref.district,
            pull_id=ref.pull_id,
            run_id=run_id,
            as_of=begun.as_of,
            mode=mode,
            version=client.version,
            base_url=client.base_url,
            collections=[landed[name][0] for name in wanted],
            rejects=[part for name in wanted for part in landed[name][1]],
            usage=_usage(client, begun.usage),
            kind=plan.kind,
            is_by_own_clock=plan.clock_ahead is None,
            largest_limit=client.largest_limit,
        )
        save(folder, pull)
        unfinished.forget()
        return ref


@dataclass(frozen=True)
class _Held:
    """Pages that were looked at before they are landed."""

    pages: list[Page]
    proof: Proof

    def __iter__(self) -> Iterator[Page]:
        return iter(self.pages)


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


def _asked(client: OneRosterClient, plan: Plan, wanted: list[str], not_landed: list[str]) -> PullRequest:
    return PullRequest(
        mode=plan.mode,
        since=dict(plan.since),
        school_years=sorted(plan.school_years),
        pinned_org=plan.pinned_org,
        collections=wanted,
        not_landed=not_landed,
        version=client.version,
        base_url=client.connection.base_url,
    )


def _orgs(client: OneRosterClient, district: District, plan: Plan, teller: ProgressReporter) -> _Held | None:
    """The orgs, where it matters whose they are, also if a narrowed pull leaves them out.

    :raises ActionRequired: `other_district`. Where there are no orgs at all they are nobody else's either; that there
        were some before is the guard's business.
    """
    if plan.pinned_org is None:
        return None
    with prefix_errors("orgs", district.district), teller.reading("orgs"):
        reader = client.pages("orgs")
        pages = list(reader)
    held = _Held([page for page in pages if page.attempt == reader.proof.attempt], reader.proof)
    made = columns("orgs", [record for page in held for record in page.records])["orgs"]
    fields = zip(made["sourced_id"], made["type"], made["parent_sourced_id"], made["name"], made["status"], strict=True)
    orgs = [
        OrgSummary(str(org), kind, parent, name)
        for org, kind, parent, name, status in fields
        if status != "tobedeleted"
    ]
    shown = district_org(orgs, plan.pinned_org)
    if shown is not None and shown.sourced_id != plan.pinned_org:
        checked = next((org.name for org in orgs if org.sourced_id == plan.pinned_org), None) or district.name
        raise ActionRequired(
            "other_district",
            f"The connection belonged to {checked} (sourcedId {plan.pinned_org}) when it was checked, and now shows "
            f"{shown.name} (sourcedId {shown.sourced_id}).",
            remedy="Nothing was landed, and what is published stays. Compare Client ID, secret and Base URL of "
            f"{district.connection_id} with what the district sent: they may be another district's. If the district "
            f"says that this is its new org, check the connection again (rollcall check {district.district}).",
            district=district.district,
        )
    return held


def _read(
    reading: CollectionReader, folder: PullFolder, plan: Plan, wanted: list[str], orgs: _Held | None, at_once: int
) -> tuple[Mode, dict[str, Landed]]:
    """The mode it came to, and what was landed."""
    landed: dict[str, Landed] = {}
    for name in ALWAYS_FULL:
        if name in wanted:
            landed[name] = reading.one(name, pages=orgs if name == "orgs" else None)
    mode, since = plan.mode, plan.since
    if mode == "delta" and "academic_sessions" in landed and plan.school_years:
        years = _school_years(folder, landed["academic_sessions"][0])
        if years and years != plan.school_years:
            log.info("the school year changed, so everything else is read in full as well")
            mode, since = "full", {}
    others = {name: since.get(name) for name in reversed(wanted) if name not in landed}
    return mode, landed | reading.all(others, at_once)


def _school_years(folder: PullFolder, sessions: LandedCollection) -> set[str]:
    """The school years tonight, by sourcedId."""
    rows = read_rows(
        folder,
        sessions.parts["academic_sessions"],
        landed_schema(TABLES["academic_sessions"]),
        ["sourced_id", "type", "status"],
    ).to_pylist()
    return {row["sourced_id"] for row in rows if row["type"] == "schoolYear" and row["status"] in (None, "", "active")}


def _usage(client: OneRosterClient, before: Usage) -> Usage:
    """What the pull cost, earlier tries included."""
    asked = client.usage
    return Usage(
        requests=before.requests + asked.requests,
        requests_in_peak=before.requests_in_peak + asked.requests_in_peak,
        token_requests=before.token_requests + asked.token_requests,
        bytes_received=before.bytes_received + asked.bytes_received,
        most_at_once=max(before.most_at_once, asked.most_at_once),
        seconds_waited=before.seconds_waited + asked.seconds_waited,
    )
