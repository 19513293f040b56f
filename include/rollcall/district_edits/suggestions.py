"""Suggests a site for each school: by an equal identifier, or by an equivalent name.

A wrong suggestion is worse than none. If two sites match, neither is suggested, and both are named.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from rapidfuzz import fuzz

#: How similar two names must be, of 100, after abbreviations are expanded; and the lead over the next site.
_ALIKE = 88
_AHEAD = 5
#: The factor if one name has no level: `Roosevelt` and `Roosevelt Elementary`.
_WITHOUT_LEVEL = 0.94

_WRITTEN_OUT = {
    "acad": "academy",
    "alt": "alternative",
    "ctr": "center",
    "centre": "center",  # codespell:ignore
    "el": "elementary",
    "elem": "elementary",
    "es": "elementary",
    "hs": "high",
    "int": "intermediate",
    "interm": "intermediate",  # codespell:ignore
    "intl": "international",
    "jh": "junior high",
    "jhs": "junior high",
    "jr": "junior",
    "kg": "kindergarten",
    "mid": "middle",
    "ms": "middle",
    "mt": "mount",
    "prim": "primary",
    "sec": "secondary",
    "shs": "senior high",  # codespell:ignore
    "sr": "senior",
    "st": "saint",
    "tech": "technical",
}
#: Words that do not identify a school.
_SAY_NOTHING = frozenset({"school", "schools", "sch", "the", "of", "at", "and"})
#: Words that tell two schools of one name apart. If both names have such words, they must be equal.
_LEVELS = frozenset(
    {
        "academy",
        "adult",
        "alternative",
        "elementary",
        "high",
        "intermediate",
        "junior",
        "kindergarten",
        "middle",
        "online",
        "preschool",
        "primary",
        "secondary",
        "senior",
        "technical",
        "virtual",
    }
)
#: The same for words that are part of the name.
_SIDES = frozenset({"north", "south", "east", "west", "central", "upper", "lower"})


class Place(Protocol):
    """What a suggestion needs of a school."""

    @property
    def sourced_id(self) -> str: ...
    @property
    def identifier(self) -> str: ...
    @property
    def name(self) -> str: ...
    @property
    def state(self) -> str: ...
    @property
    def site_id(self) -> str: ...


@dataclass(frozen=True)
class Suggestion:
    """A suggested site. Without a `site_id`: why none is suggested."""

    site_id: str
    why: str


def suggestions(schools: Sequence[Place], targets: dict[str, str]) -> dict[str, Suggestion]:
    """The suggestions by sourcedId, for undecided schools with a similar site.

    :param schools: all schools. A site that already has a school is suggested by an equal identifier only.
    :param targets: site ID to name.
    """
    taken = {school.site_id: school.name for school in schools if school.state == "mapped"}
    waiting = [school for school in schools if school.state == "undecided"]
    by_id = {key.casefold(): key for key in targets}
    found: dict[str, Suggestion] = {}
    for school in waiting:
        for wanted in (school.identifier, school.sourced_id):
            if wanted and (site := by_id.get(wanted.strip().casefold())):
                found[school.sourced_id] = Suggestion(site, "same identifier")
                break
    rest = [school for school in waiting if school.sourced_id not in found]
    claimed = {suggestion.site_id for suggestion in found.values()}
    found |= _by_name(rest, targets, taken, claimed)
    return found


def _by_name(
    schools: list[Place], targets: dict[str, str], taken: dict[str, str], claimed: set[str]
) -> dict[str, Suggestion]:
    plain = {key: plain_name(name) for key, name in targets.items()}
    near = {school.sourced_id: _near(plain_name(school.name), plain) for school in schools}
    names = {school.sourced_id: school.name for school in schools}
    wants: dict[str, list[tuple[float, str]]] = {}
    for key, ranked in near.items():
        if ranked:
            wants.setdefault(ranked[0][1], []).append((ranked[0][0], key))
    made: dict[str, Suggestion] = {}
    for key, ranked in near.items():
        if not ranked:
            continue
        score, site = ranked[0]
        equals = [other for other_score, other in ranked[1:] if score - other_score < _AHEAD]
        rivals = [rival for rival_score, rival in wants[site] if rival != key and rival_score > score - _AHEAD]
        if equals:
            listed = " or ".join(f"{other} ({targets[other]})" for other in (site, *equals))
            made[key] = Suggestion("", f"could be {listed}")
        elif site in taken or site in claimed:
            holder = taken.get(site, "a school with its identifier")
            made[key] = Suggestion("", f"like {site} ({targets[site]}), which is {holder}")
        elif rivals:
            listed = ", ".join(names[rival] for rival in rivals)
            made[key] = Suggestion("", f"like {site} ({targets[site]}), and so is {listed}")
        else:
            made[key] = Suggestion(site, "same name" if score >= 100 else f"name {score:.0f}% similar")
    return made


def _near(name: str, targets: dict[str, str]) -> list[tuple[float, str]]:
    """Score and ID of the sites with equivalent names, best first."""
    scored = [(_alike(name, other), site) for site, other in targets.items()]
    return sorted(((score, site) for score, site in scored if score >= _ALIKE), key=lambda pair: (-pair[0], pair[1]))


def plain_name(name: str) -> str:
    """A name without case, accents, and punctuation, with expanded abbreviations: `lincoln elementary`."""
    text = unicodedata.normalize("NFKD", name.casefold()).encode("ascii", "ignore").decode()
    text = re.sub(r"['’.]", "", text)
    words = (_WRITTEN_OUT.get(word, word) for word in re.findall(r"[a-z]+|\d+", text))
    kept = [word for word in " ".join(words).split() if word not in _SAY_NOTHING]
    return " ".join(kept) or text


def _alike(one: str, other: str) -> float:
    """0 to 100. Names that differ in a number, a direction, or the level are different schools."""
    first, second = one.split(), other.split()
    if any(_only(first, kind) != _only(second, kind) for kind in (str.isdigit, _SIDES.__contains__)):
        return 0
    levels = [_only(words, _LEVELS.__contains__) for words in (first, second)]
    if levels[0] == levels[1]:
        return fuzz.token_sort_ratio(one, other)
    if levels[0] and levels[1]:
        return 0
    bare = [" ".join(word for word in words if word not in _LEVELS) for words in (first, second)]
    without = fuzz.token_sort_ratio(*bare) * _WITHOUT_LEVEL if all(bare) else 0
    # one of the words may be a misspelled level
    return max(fuzz.token_sort_ratio(one, other), without)


def _only(words: list[str], kind: Callable[[str], bool]) -> set[str]:
    return {word for word in words if kind(word)}
