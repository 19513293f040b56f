"""Where usernames come from: ordered sources with their own transforms (rule 10)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from rollcall.model.username_fields import FORMS, USERNAME_FIELDS, parse
from rollcall.settings.base import Problem, Settings, nearest, nearest_of, pattern_problem

#: Transforms of a username source that take no argument, one text, or two texts.
PLAIN_TRANSFORMS = ("trim", "lower", "upper", "ascii", "no_spaces", "local_part")
TEXT_TRANSFORMS = ("domain", "prefix", "suffix")
PAIR_TRANSFORMS = ("replace", "regex")

FIELD_REMEDY = f"Fields are {', '.join(FORMS)}."


def field_problem(field: str) -> str:
    """What is wrong with the name of a username field, without a period; empty if nothing is."""
    if parse(field) is not None:
        return ""
    first, _, key = field.partition(".")
    names = [name for name, each in USERNAME_FIELDS.items() if each.key or not key]
    near = USERNAME_FIELDS.get(nearest_of(first, names))
    meant = "" if near is None else f"{near.name}.{key}" if key else near.form
    hint = f" (did you mean '{meant}'?)" if meant else ""
    return f"is not a username field: '{field}'{hint}"


class UsernameSource(Settings, frozen=True):
    """One field a username may come from.

    :param transform: what is done to the value, in this order.
    :param pattern: a regular expression that the whole result must match.
    """

    field: str
    transform: list[str | dict[str, Any]] = []
    pattern: str | None = None

    def problems(self) -> Iterator[Problem]:
        if text := field_problem(self.field):
            yield Problem(("field",), text, FIELD_REMEDY)
        for number, step in enumerate(self.transform):
            if found := _transform_problem(step):
                yield Problem(("transform", number), *found)
        if self.pattern is not None and (text := pattern_problem(self.pattern)):
            yield Problem(("pattern",), text)


def _transform_problem(step: str | dict[str, Any]) -> tuple[str, str] | None:
    """What is wrong with a transform, and what to do."""
    every = (*PLAIN_TRANSFORMS, *TEXT_TRANSFORMS, *PAIR_TRANSFORMS)
    if isinstance(step, dict) and len(step) != 1:
        return "has an entry that is not one name and its value", "Write one such as {domain: example.org}."
    name, argument = (step, None) if isinstance(step, str) else next(iter(step.items()))
    name = str(name)
    if name not in every:
        return f"has an unknown transform '{name}'{nearest(name, every)}", f"Transforms are {', '.join(every)}."
    if name in PLAIN_TRANSFORMS:
        return None if argument is None else (f"has '{name}' with a value, but it takes none", f"Write {name}.")
    if name in TEXT_TRANSFORMS:
        if isinstance(argument, str):
            return None
        return f"has '{name}' without a text", f"Write {{{name}: text}}; a number or a word such as no needs quotes."
    parts = argument if isinstance(argument, list) else []
    if len(parts) != 2 or not all(isinstance(part, str) for part in parts):
        return f"has '{name}' without two texts", f"Write {{{name}: [from, to]}}; numbers need quotes."
    if name == "regex" and (text := pattern_problem(parts[0])):
        return f"has a regex that {text}", ""
    return None


class Usernames(Settings, frozen=True):
    """Ordered sources for each role. The next source is used only if the one above is empty (rule 10)."""

    student: list[UsernameSource]
    staff: list[UsernameSource]
