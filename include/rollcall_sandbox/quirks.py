"""Quirks by name: single switches, and providers that stand for several of them."""

from __future__ import annotations

import difflib
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from rollcall.errors import RollcallError
from rollcall_sandbox.quirk import Quirk, Version
from rollcall_sandbox.quirks_faults import ACCESS, FAULTS
from rollcall_sandbox.quirks_flaws import FLAWS
from rollcall_sandbox.quirks_hostile import HOSTILE
from rollcall_sandbox.quirks_paging import PAGING
from rollcall_sandbox.quirks_records import RECORDS

# Providers by name: the switches that make the sandbox behave like one, and how its connections are set up.
#
# Sources: rostering practice section 2.1, OneRoster reference section 10. A provider whose only oddities are not seen
# by a client has no bundle. Blackbaud's cap is silent and its number unknown; 1,000 is assumed.


@dataclass(frozen=True)
class Bundle:
    """A provider.

    :param version: of its service, where it has only one that matters; none for both.
    :param settings: of :class:`rollcall_sandbox.settings.SandboxDistrict`, as its connections have them.
    """

    what: str
    quirks: tuple[str, ...]
    version: Version | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)


BUNDLES = {
    "campus-1.1": Bundle(
        "Infinite Campus, OneRoster 1.1: a record per role, people without an account are not sent",
        ("accounts-only",), "1.1", {"auth": "oauth1"},
    ),
    "campus-1.2": Bundle(
        "Infinite Campus, OneRoster 1.2: cookies kept, administrators by a role 1.2 does not know",
        ("cookies-required", "administrator-role"), "1.2",
    ),
    "ed-fi": Bundle(
        "Ed-Fi ODS: 500 rows a page, no totals, no tombstones, a record per person and school",
        ("clamp-500", "no-totals", "no-tombstones", "record-per-school", "empty-usernames"), "1.2",
    ),
    "classlink": Bundle(
        "ClassLink Roster Server: OAuth 1, 429 with a cool-down, passwords in user records",
        ("http-429-bare", "passwords"), "1.1", {"auth": "oauth1"},
    ),
    "classlink-proxy": Bundle(
        "ClassLink's proxy: the same behind a static bearer token",
        ("http-429-bare", "passwords"), "1.1", {"auth": "bearer"},
    ),
    "aeries": Bundle(
        "Aeries: Token URL below the Base URL, scopes asked for, nulls, relative hrefs, tokens of six hours",
        ("token-at-base", "token-wants-scope", "nulls-for-absent", "relative-hrefs"), "1.1", {"token_seconds": 21600},
    ),
    "powerschool": Bundle(
        "PowerSchool: Token URL of its own, the page size the server's administrator set",
        ("token-at-oauth", "clamp-1000"), "1.1",
    ),
    "skyward": Bundle(
        "Skyward: staff without identifiers, users without a name, tombstones now and then",
        ("staff-without-identifier", "missing-required", "half-the-tombstones"),
    ),
    "synergy": Bundle(
        "Synergy: credentials in the form, dates without a zone", ("token-wants-body", "naive-dates")
    ),
    "blackbaud": Bundle("Blackbaud: errors without a message, a silent cap", ("bare-errors", "clamp-1000")),
    "timeback": Bundle(
        "Timeback: 3,000 rows a page, the total in the body, deleted is `inactive`",
        ("clamp-3000", "total-in-body", "status-inactive"), "1.2",
    ),
    "rediker": Bundle("Rediker: every school is of type `departments`", ("schools-are-departments",)),
    "edsembli": Bundle("Edsembli: one address for all, tenant and key in headers", ("headers-required",)),
    "uk-1.1": Bundle("UK servers of 1.1: NULL as text", ("email-null-text",), "1.1"),
    "oneroster-1.0": Bundle(
        "remains of 1.0: deleted records are `inactive`, the district is `local`",
        ("status-inactive", "district-is-local"), "1.1",
    ),
}  # fmt: skip


QUIRKS: Mapping[str, Quirk] = PAGING | RECORDS | FLAWS | FAULTS | ACCESS | HOSTILE
"""The single switches."""


def known(names: Iterable[str], version: str) -> frozenset[str]:
    """Resolve names of switches and providers to single switches.

    :raises RollcallError: `sandbox_quirk` for an unknown name, with the valid ones; for one of another version;
        and for two that contradict each other.
    """
    chosen: set[str] = set()
    for name in names:
        if name in BUNDLES:
            _check_version(name, BUNDLES[name].version in (None, version), version)
            chosen.update(BUNDLES[name].quirks)
        elif name in QUIRKS:
            chosen.add(name)
        else:
            raise _unknown(name)
    for name in sorted(chosen):
        _check_version(name, version in QUIRKS[name].versions, version)
    groups = Counter(QUIRKS[name].group for name in chosen)
    for group in sorted(groups):
        if group and groups[group] > 1:
            both = ", ".join(sorted(name for name in chosen if QUIRKS[name].group == group))
            raise RollcallError("sandbox_quirk", f"Of {both} there can be only one ({group}).", remedy="Choose one.")
    return frozenset(chosen)


def _check_version(name: str, is_right: bool, version: str) -> None:
    if not is_right:
        raise RollcallError(
            "sandbox_quirk",
            f'No provider of OneRoster {version} has the quirk "{name}".',
            remedy="Give the district the other version, or leave the quirk out.",
        )


def _unknown(name: str) -> RollcallError:
    every = [*BUNDLES, *QUIRKS]
    near = difflib.get_close_matches(name, every, n=1)
    hint = f'Did you mean "{near[0]}"? ' if near else ""
    return RollcallError(
        "sandbox_quirk", f'The sandbox has no quirk "{name}".', remedy=f"{hint}There are: {', '.join(every)}."
    )
