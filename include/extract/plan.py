"""What a pull is asked to do."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from include.contracts import Mode, RunKind

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
    :param why: why it is what it is, in words for the log and the ledger.
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
    why: str = ""
    kind: RunKind = "sync"
    clock_ahead: timedelta | None = timedelta()


FULL = Plan("full", why="everything was asked for")
