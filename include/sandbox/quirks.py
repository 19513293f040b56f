"""Quirks by name: single switches, and providers that stand for several of them."""

from __future__ import annotations

import difflib
from collections import Counter
from collections.abc import Iterable, Mapping

from include.errors import RollcallError
from include.sandbox.bundles import BUNDLES
from include.sandbox.quirk import Quirk
from include.sandbox.quirks_access import ACCESS
from include.sandbox.quirks_faults import FAULTS
from include.sandbox.quirks_flaws import FLAWS
from include.sandbox.quirks_paging import PAGING
from include.sandbox.quirks_records import RECORDS

QUIRKS: Mapping[str, Quirk] = PAGING | RECORDS | FLAWS | FAULTS | ACCESS
"""The single switches."""


def known(names: Iterable[str], version: str) -> frozenset[str]:
    """The single switches that names of switches and of providers stand for.

    :raises RollcallError: `sandbox_quirk` for a name that is none, naming the valid ones; for one of another version;
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
            f'"{name}" is nothing a provider of OneRoster {version} does.',
            remedy="Give the district the other version, or leave the quirk out.",
        )


def _unknown(name: str) -> RollcallError:
    every = [*BUNDLES, *QUIRKS]
    near = difflib.get_close_matches(name, every, n=1)
    hint = f'Did you mean "{near[0]}"? ' if near else ""
    return RollcallError(
        "sandbox_quirk", f'The sandbox has no quirk "{name}".', remedy=f"{hint}There are: {', '.join(every)}."
    )
