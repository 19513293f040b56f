"""Where usernames come from: ordered sources with their own transforms (DESIGN, rule 10)."""

from __future__ import annotations

import re
from typing import Any

from include.settings.base import Settings, nearest

#: Transforms of a username source that take no argument, and those that take one (text) or two (a pair).
PLAIN_TRANSFORMS = ("trim", "lower", "upper", "ascii", "no_spaces", "local_part")
TEXT_TRANSFORMS = ("domain", "prefix", "suffix")
PAIR_TRANSFORMS = ("replace", "regex")

USERNAME_FIELDS = ("email", "username", "sourcedId", "identifier")
_USERNAME_FIELD_PREFIXES = ("userIds.", "metadata.", "userProfiles.")


class UsernameSource(Settings, frozen=True):
    """One field a username may come from, and what is done to it, in order; `pattern` must match the whole result."""

    field: str
    transform: list[str | dict[str, Any]] = []
    pattern: str | None = None

    def __post_init__(self) -> None:
        known = self.field in USERNAME_FIELDS or self.field.startswith(_USERNAME_FIELD_PREFIXES)
        if not known or self.field.endswith("."):
            raise ValueError(
                f"unknown username field {self.field!r}; fields are {', '.join(USERNAME_FIELDS)}, "
                "userIds.<type>, metadata.<key> and userProfiles.<type>"
            )
        for step in self.transform:
            _check_transform(step)
        if self.pattern is not None:
            _check_pattern(self.pattern)


def _check_transform(step: str | dict[str, Any]) -> None:
    name, argument = (step, None) if isinstance(step, str) else next(iter(step.items()), ("", None))
    if isinstance(step, dict) and len(step) != 1:
        raise ValueError("a transform with an argument is one name and its value, such as {domain: example.org}")
    if name in PLAIN_TRANSFORMS and argument is None:
        return
    if name in TEXT_TRANSFORMS and isinstance(argument, str):
        return
    is_pair = isinstance(argument, list) and len(argument) == 2 and all(isinstance(part, str) for part in argument)
    if name in PAIR_TRANSFORMS and is_pair:
        if name == "regex":
            _check_pattern(argument[0])  # type: ignore[index]
        return
    every = (*PLAIN_TRANSFORMS, *TEXT_TRANSFORMS, *PAIR_TRANSFORMS)
    if name in every:
        raise ValueError(f"transform {name!r} takes {_arguments(name)}")
    raise ValueError(f"unknown transform {name!r}{nearest(name, every)}; transforms are {', '.join(every)}")


def _arguments(name: str) -> str:
    if name in PLAIN_TRANSFORMS:
        return "no argument"
    return "one text" if name in TEXT_TRANSFORMS else "a list of two texts"


def _check_pattern(pattern: str) -> None:
    try:
        re.compile(pattern)
    except re.error as exc:
        raise ValueError(f"not a regular expression: {exc}") from None


class Usernames(Settings, frozen=True):
    """Ordered sources per role; the next one only where the one above is empty (rule 10: nothing is guessed)."""

    student: list[UsernameSource]
    staff: list[UsernameSource]
