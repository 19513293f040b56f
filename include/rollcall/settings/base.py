"""What all sections of a district's settings share: they are frozen and refuse unknown keys and wrong values."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import msgspec


@dataclass(frozen=True)
class Problem:
    """One wrong value.

    :param path: the keys from the section to the line to change, and positions in lists.
    :param text: what is wrong, without the path and without a period.
    :param remedy: what to do, as a sentence.
    :param reads: more keys of the section that the check depends on. If one of them is wrong, the check says nothing.
    """

    path: tuple[str | int, ...]
    text: str
    remedy: str = ""
    reads: tuple[str, ...] = ()


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A section that checks itself. `rollcall.settings.mistakes` lists every problem of a file; this raises the first.

    :raises ValueError: if a value is wrong.
    """

    def __post_init__(self) -> None:
        self.normalize()
        for problem in self.problems():
            raise ValueError(f"{dotted(problem.path)} {problem.text}. {problem.remedy}".strip())

    def normalize(self) -> None:
        """Bring accepted spellings to the one that the code compares with."""

    def problems(self) -> Iterator[Problem]:
        """Everything wrong with the values. Types and unknown keys are checked before."""
        yield from ()


def dotted(path: Iterable[str | int]) -> str:
    """`usernames.student` for the path to one of its entries: the line number tells which one."""
    return ".".join(key for key in path if isinstance(key, str))


def nearest(name: str, valid: Iterable[str]) -> str:
    """` (did you mean 'x'?)`, or nothing if no valid name is near. Case, spaces, `-` and `_` do not count."""
    found = nearest_of(name, valid)
    return f" (did you mean '{found}'?)" if found else ""


def nearest_of(name: str, valid: Iterable[str], cutoff: float = 0.5) -> str:
    """The nearest valid name; empty if none is near."""
    by_letters: dict[str, str] = {}
    for each in valid:
        by_letters.setdefault(_letters(each), each)
    near = difflib.get_close_matches(_letters(name), list(by_letters), n=1, cutoff=cutoff)
    return by_letters[near[0]] if near else ""


def _letters(name: str) -> str:
    return re.sub(r"[\s_-]", "", name).casefold()


def pattern_problem(pattern: str) -> str:
    """What is wrong with a regular expression, without a period; empty if nothing is."""
    try:
        re.compile(pattern)
    except re.error as exc:
        place = f" at character {exc.pos + 1}" if exc.pos is not None else ""
        return f"is not a regular expression: {exc.msg}{place}"
    return ""
