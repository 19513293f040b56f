"""Keys and values of older versions of a district's file, and what replaced them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(frozen=True)
class Retired:
    """A key of an older version, or a value of one.

    :param path: the keys that lead to it; `*` is any key.
    :param now: what replaced it.
    :param value: the retired value at `path`; empty if the key itself is retired.
    """

    path: tuple[str, ...]
    now: str
    value: str = ""


RETIRED = (
    Retired(("politeness",), "'extract'"),
    Retired(("extract", "concurrency_in_peak"), "'peak_concurrency'"),
    Retired(("guards", "people"), "three keys: 'students', 'staff' and 'others' (guardians and relatives)"),
    Retired(("people", "*", "leave_out"), "'exclude'"),
    Retired(("people", "*", "because"), "'reason'"),
    Retired(("rules", "*", "because"), "'reason'"),
    Retired(("roles", "*"), "'exclude'", value="leave_out"),
    Retired(("roles", "*"), "'drop'", value="do_not_land"),
    Retired(("sites", "map", "*"), "'exclude'", value="leave_out"),
)


def find_retired(data: object) -> Iterator[tuple[tuple[str, ...], Retired]]:
    """Every retired key and value in a district's settings, with the keys that lead to it."""
    for retired in RETIRED:
        for keys, value in _at(data, retired.path):
            if not retired.value or value == retired.value:
                yield tuple(keys), retired


def _at(node: object, path: tuple[str, ...]) -> Iterator[tuple[list[str], object]]:
    """Every place that matches `path`: its keys and its value."""
    if not path:
        yield [], node
    elif isinstance(node, dict):
        for key in node if path[0] == "*" else [path[0]] if path[0] in node else []:
            for keys, value in _at(node[key], path[1:]):
                yield [str(key), *keys], value
