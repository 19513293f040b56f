"""The names districts use for what they send, and where they stand in a text.

The names of Infinite Campus's two screens come first; the others are what people write when they type them off.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

Kind = Literal["client_id", "secret", "token_url", "base_url", "expires_on", "version", "name"]

#: Names that are certain wherever they stand.
_NAMES: dict[Kind, tuple[str, ...]] = {
    "client_id": ("client id", "client identifier", "client key", "consumer key", "consumer id", "api key", "app id"),
    "secret": ("client secret", "consumer secret", "shared secret", "secret key", "api secret", "client password"),
    "token_url": (
        "token url",
        "token uri",
        "token endpoint",
        "token server url",
        "access token url",
        "auth url",
        "authorization url",
        "authentication url",
        "oauth url",
        "oauth2 url",
    ),
    "base_url": (
        "base url",
        "base uri",
        "oneroster url",
        "one roster url",
        "oneroster base url",
        "oneroster api url",
        "oneroster endpoint",
        "rostering url",
        "endpoint url",
        "api url",
        "service url",
    ),
    "expires_on": ("token expiration date", "expiration date", "expires on", "expiry date", "expiration"),
    "version": ("oneroster version", "one roster version"),
    "name": ("district name", "name of district", "school district"),
}

#: Names that mean something only in front of a colon, a tab or a line of their own.
_SHORT: dict[Kind, tuple[str, ...]] = {
    "client_id": ("key", "id"),
    "secret": ("secret",),
    "token_url": ("token",),
    "base_url": ("url", "endpoint", "host", "server"),
    "expires_on": ("expires",),
    "version": ("version",),
    "name": ("district",),
}

#: What may stand between a name and its value: a colon, an equals sign, a dash, an arrow, the lines of a table, the end
#: of the line, two blanks, `is`; and around them the marks of Markdown. A value's own first character is none of it.
_BETWEEN = (
    r"""[*_`"']* ?(?P<sign> *(?:[:=]+>?(?: ?-+(?=\s))?|-+>|\||\t|-+(?=\s)|(?=\n|\Z))|  +|is:?(?=\s))?"""
    r"""(?:\*\*|__)?[ \t|]*"""
)

#: In front of a short name.
_OWNER = r"(?:(?:one ?roster|infinite campus|campus|api|oauth ?2?(?:\.0)?|vendor)[ _-])?"


def _pattern(names: tuple[str, ...]) -> str:
    """The names with any or no blank, hyphen or underscore between their words, longest first."""
    joined = [r"[ \t_-]*".join(map(re.escape, name.split())) for name in sorted(names, key=len, reverse=True)]
    return "|".join(joined)


def _compiled(table: dict[Kind, tuple[str, ...]], before: str = "") -> re.Pattern[str]:
    kinds = "|".join(f"(?P<{kind}>{_pattern(names)})" for kind, names in table.items())
    return re.compile(rf"(?<![\w/.=&?@-]){before}(?:{kinds})(?![\w/@&?]){_BETWEEN}", re.IGNORECASE)


_CERTAIN = _compiled(_NAMES)
_SHORT_ONES = _compiled(_SHORT, _OWNER)

#: What may stand in front of a name where a line or a table's cell begins: bullets, numbers, marks of Markdown.
_OPENING = re.compile(
    r"(?:^|[\t|;])[ \t>|*#`_\"'\u2022\u00b7\u25cf\u25aa-]*(?:(?:[0-9]{1,2}|[a-z])[.)])?[ \t*`_\"'|-]*$"
)


@dataclass(frozen=True)
class Label:
    """A name found in a text.

    :param end: behind the name and the sign after it.
    :param signed: whether a colon, a tab, a line's end or the like follows, so that what comes is a value.
    :param is_classic: whether it is a name of the classic screen, whose keys are of OAuth 1.
    """

    kind: Kind
    start: int
    end: int
    signed: bool
    is_classic: bool


def labels(text: str) -> list[Label]:
    """Every name in a text, in its order; a short one only where it cannot be prose."""
    found = [*_certain(text), *_short(text)]
    found.sort(key=lambda label: (label.start, -label.end))
    apart: list[Label] = []
    for label in found:
        if not apart or label.start >= apart[-1].end:
            apart.append(label)
    return apart


def _certain(text: str) -> Iterator[Label]:
    for match in _CERTAIN.finditer(text):
        label = _label(match)
        if label.signed or _opens(text, match.start()):
            yield label


def _short(text: str) -> Iterator[Label]:
    for match in _SHORT_ONES.finditer(text):
        label = _label(match)
        if label.signed and _opens(text, match.start()):
            yield label


def _label(match: re.Match[str]) -> Label:
    kind: Kind = next(kind for kind in _NAMES if match[kind] is not None)
    is_classic = match[kind].lower().startswith("consumer")
    return Label(kind, match.start(), match.end(), match["sign"] is not None, is_classic)


def _opens(text: str, start: int) -> bool:
    """Whether a place is where a line or a table's cell begins."""
    return _OPENING.search(text[text.rfind("\n", 0, start) + 1 : start]) is not None
