"""The extract stage: pulls all collections that a district shares into the landing zone.

A pull uses one client, so one token, one request budget, and one clock. Orgs are first, because they identify the
district. Academic sessions follow, because they may turn a delta into a full pull. The other collections are read in
parallel. Those that refer to others start first, so that a record created during the pull is likely to be received with
its references.
"""

from __future__ import annotations

import logging
import secrets
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from rollcall.errors import ActionRequired, redact_errors
from rollcall.extract.progress import Progress, ProgressReporter
from rollcall.extract.reader import CollectionReader, Landed, prefix_errors
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

#: Collections always read in full. They are small, and everything refers to them.
ALWAYS_FULL = ("orgs", "academic_sessions")


@dataclass(frozen=True)
class Plan:
    """Full or delta, and since when.

    :param since: per collection, the instant (UTC, overlap included) after which records are requested. Other
        collections are read in full. Empty for a full pull.
    :param school_years: the published school years. If the provider has others, the pull becomes a full pull.
    :param pinned_org: sourcedId of the district's org when the connection was checked. A pull that shows another org
        is refused before anything is landed. None: not checked yet.
    :param base_url: where the service responded last time. Empty: unknown.
    :param largest_limit: rows per page accepted last time, if the provider refused more.
    :param reason: the reason for this plan, in words for the log and the ledger.
    :param kind: the kind of run the pull is for.
    :param clock_ahead: how far the warehouse's clock, which orders pulls, is ahead of this machine's. None: the
        warehouse did not respond.
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


FULL_PULL = Plan("full", reason="a full pull was requested")


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

    A retry of the same run resumes the pull that the run started, if that is not older than half an hour.

    :param run_id: the run that needs the pull.
    :param plan: full or delta, and since when.
    :param collections: narrows the pull. Empty: all collections of the district's settings.
    :param progress: called after each page and every ten seconds.
    :param now: the clock, for tests.
    :returns: the pull. Its manifest states its contents and the proof of completeness. An unproven or empty pull is
        recorded as such; later stages decide what follows.
    :raises ActionRequired: `other_district`: the orgs belong to another district than the checked one. Nothing is
        landed.
    :raises ActionRequired: `collection_not_pulled`: the district's settings do not include the collection.
    :raises RollcallError: the client's error, with the collection's name. There is no manifest then.
    """
    with redact_errors("extract", district=district.district), collect_garbage_rarely():
        wanted = _selected_collections(district, collections)
        if plan.base_url:
            client.assume_base_url(plan.base_url)
        if plan.largest_limit:
            client.assume_limit(plan.largest_limit)
        dropped_roles = sorted(role for role, target in district.roles.items() if target == "drop")
        request = _pull_request(client, plan, wanted, dropped_roles)
        journal = ResumeJournal(landing, district.district, run_id, now)
        with ProgressReporter(
            progress, lambda: client.requests_in_flight, lambda: client.backoff_seconds_left
        ) as reporter:
            started = journal.find(request)
            orgs = None
            if started is None:
                as_of = now()
                orgs = _check_orgs(client, district, plan, reporter)
                pull_id = f"{as_of:%Y%m%dT%H%M%SZ}-{secrets.token_hex(4)}"
                started = journal.start(pull_id, as_of, request, Usage())
            ref = PullRef(district=district.district, pull_id=started.pull_id, run_id=run_id)
            folder = ref.folder(landing)
            log.info("%s: pulling %s", ref.pull_id, ", ".join(wanted))
            reader = CollectionReader(client, ref.district, folder, journal, started, dropped_roles, reporter)
            try:
                mode, landed = _read(reader, folder, plan, wanted, orgs, district.extract.concurrency)
            except BaseException:
                journal.start(started.pull_id, started.as_of, request, _usage(client, started.usage))
                raise
        pull = Pull(
            district=ref.district,
            pull_id=ref.pull_id,
            run_id=run_id,
            as_of=started.as_of,
            mode=mode,
            version=client.version,
            base_url=client.base_url,
            collections=[landed[name][0] for name in wanted],
            rejects=[part for name in wanted for part in landed[name][1]],
            usage=_usage(client, started.usage),
            kind=plan.kind,
            is_by_own_clock=plan.clock_ahead is None,
            largest_limit=client.largest_limit,
        )
        save(folder, pull)
        journal.delete()
        return ref


@dataclass(frozen=True)
class _BufferedPages:
    """Pages read before they are landed."""

    pages: list[Page]
    proof: Proof

    def __iter__(self) -> Iterator[Page]:
        return iter(self.pages)


def _selected_collections(district: District, collections: Sequence[str]) -> list[str]:
    wanted = district.wanted()
    if unknown := [name for name in collections if name not in wanted]:
        raise ActionRequired(
            "collection_not_pulled",
            f"{', '.join(unknown)}: not pulled for this district. It pulls {', '.join(wanted)}.",
            remedy="Choose from these, or none for all. The district's YAML decides (`collections`, `demographics`).",
            district=district.district,
        )
    return [name for name in wanted if not collections or name in collections]


def _pull_request(client: OneRosterClient, plan: Plan, wanted: list[str], dropped_roles: list[str]) -> PullRequest:
    return PullRequest(
        mode=plan.mode,
        since=dict(plan.since),
        school_years=sorted(plan.school_years),
        pinned_org=plan.pinned_org,
        collections=wanted,
        not_landed=dropped_roles,
        version=client.version,
        base_url=client.connection.base_url,
    )


def _check_orgs(
    client: OneRosterClient, district: District, plan: Plan, reporter: ProgressReporter
) -> _BufferedPages | None:
    """Read the orgs and check whose they are, even if a narrowed pull does not include them. None: no org is pinned.

    No orgs at all pass this check. The guard handles orgs that disappear.

    :raises ActionRequired: `other_district`.
    """
    if plan.pinned_org is None:
        return None
    with prefix_errors("orgs", district.district), reporter.reading("orgs"):
        reader = client.pages("orgs", in_memory=True)
        pages = list(reader)
    buffered = _BufferedPages([page for page in pages if page.attempt == reader.proof.attempt], reader.proof)
    values = columns("orgs", [record for page in buffered for record in page.records])["orgs"]
    fields = zip(
        values["sourced_id"], values["type"], values["parent_sourced_id"], values["name"], values["status"], strict=True
    )
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
            f"The connection belonged to {checked} (sourcedId {plan.pinned_org}) when it was checked. Now it shows "
            f"{shown.name} (sourcedId {shown.sourced_id}).",
            remedy="Nothing was landed. The published roster is unchanged. Compare Client ID, secret, and Base URL of "
            f"{district.connection_id} with the district's email: they may be another district's. If the district "
            f"confirms that this is its new org, check the connection again (rollcall check {district.district}).",
            district=district.district,
        )
    return buffered


def _read(
    reader: CollectionReader,
    folder: PullFolder,
    plan: Plan,
    wanted: list[str],
    orgs: _BufferedPages | None,
    concurrency: int,
) -> tuple[Mode, dict[str, Landed]]:
    """Read all collections. A new school year turns a delta into a full pull.

    :returns: the actual mode, and the landed collections.
    """
    landed: dict[str, Landed] = {}
    for name in ALWAYS_FULL:
        if name in wanted:
            landed[name] = reader.read(name, pages=orgs if name == "orgs" else None)
    mode, since = plan.mode, plan.since
    if mode == "delta" and "academic_sessions" in landed and plan.school_years:
        years = _school_years(folder, landed["academic_sessions"][0])
        if years and years != plan.school_years:
            log.info("The school year changed. All other collections are read in full too.")
            mode, since = "full", {}
    others = {name: since.get(name) for name in reversed(wanted) if name not in landed}
    return mode, landed | reader.read_all(others, concurrency)


def _school_years(folder: PullFolder, sessions: LandedCollection) -> set[str]:
    """The provider's current school years, by sourcedId."""
    rows = read_rows(
        folder,
        sessions.parts["academic_sessions"],
        landed_schema(TABLES["academic_sessions"]),
        ["sourced_id", "type", "status"],
    ).to_pylist()
    return {row["sourced_id"] for row in rows if row["type"] == "schoolYear" and row["status"] in (None, "", "active")}


def _usage(client: OneRosterClient, before: Usage) -> Usage:
    """Load of the pull on the provider, earlier tries included."""
    usage = client.usage
    return Usage(
        requests=before.requests + usage.requests,
        requests_in_peak=before.requests_in_peak + usage.requests_in_peak,
        token_requests=before.token_requests + usage.token_requests,
        bytes_received=before.bytes_received + usage.bytes_received,
        most_at_once=max(before.most_at_once, usage.most_at_once),
        seconds_waited=before.seconds_waited + usage.seconds_waited,
    )
