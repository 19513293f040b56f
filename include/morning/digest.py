"""The one message of a morning, and the single alerts that cannot wait for it.

The first line of each says which roster readers have now. Plain text, so that an e-mail, Slack and a webhook take it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import datetime

from include.morning.status import STATES, DistrictStatus


def totals(told: Sequence[DistrictStatus]) -> str:
    """One line: how many districts are in which state."""
    counts = Counter(one.state for one in told)
    listed = ", ".join(f"{counts[state]} {state}" for state in reversed(STATES) if counts[state])
    return f"{_districts(len(told))}: {listed}." if told else "There are no districts."


def digest(told: Sequence[DistrictStatus]) -> str:
    """Everything a morning has to say: the totals, then only the districts that need a person, the worst first."""
    lines = [_readers(told), totals(told)]
    for one in told:
        if one.needs_a_person:
            since = f", since {_day(one.since)}" if one.since else ""
            lines += ["", f"{one.name} ({one.district}): {one.state}{since}", f"  {one.what}", f"  {one.roster}."]
            lines += [f"  Next: {one.command}"] if one.command else []
    if not any(one.needs_a_person for one in told):
        lines += ["", "No district needs a person."]
    return "\n".join(lines)


def alert(one: DistrictStatus) -> str:
    """What is told at once about one district whose readers are affected, or whose roster is late."""
    lines = [f"{one.roster}: {one.name} ({one.district}) is {one.state}.", one.what]
    return "\n".join([*lines, f"Next: {one.command}"] if one.command else lines)


def _readers(told: Sequence[DistrictStatus]) -> str:
    dated = [one for one in told if one.night is not None and one.state != "disabled"]
    if not dated:
        return "Readers have no roster yet."
    newest = max(one.night for one in dated if one.night)
    older = [one for one in dated if one.night and one.night < newest]
    without = [one for one in told if one.readers_have is None and one.state != "disabled"]
    line = f"Readers have the roster of {newest:%A, %Y-%m-%d} for {_districts(len(dated) - len(older))}"
    if older:
        oldest = min(one.night for one in older if one.night)
        line += f", an older one for {len(older)} (the oldest of {oldest:%Y-%m-%d})"
    return f"{line}, none yet for {len(without)}." if without else f"{line}."


def _districts(count: int) -> str:
    return f"{count} district{'' if count == 1 else 's'}"


def _day(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M} UTC"
