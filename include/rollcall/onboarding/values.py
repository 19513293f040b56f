"""Reads the value after a label: URLs joined over broken lines, IDs and secrets without what surrounds them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime
from typing import Literal
from urllib.parse import parse_qs

from rollcall.oneroster.addresses import split_url

# The names that districts use, and where they are in a text.
#
# The names of Infinite Campus's two screens come first. The others are what people type.

Kind = Literal["client_id", "secret", "token_url", "base_url", "expires_on", "version", "name"]

#: Names that are certain anywhere in a text.
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

#: Names that count only before a colon, before a tab, or on their own line.
_SHORT: dict[Kind, tuple[str, ...]] = {
    "client_id": ("key", "id"),
    "secret": ("secret",),
    "token_url": ("token",),
    "base_url": ("url", "endpoint", "host", "server"),
    "expires_on": ("expires",),
    "version": ("version",),
    "name": ("district",),
}

#: What may be between a name and its value: a colon, an equals sign, a dash, an arrow, the lines of a table, the end of
#: the line, two spaces, `is`, and the marks of Markdown around them. The first character of a value is none of these.
_BETWEEN = (
    r"""[*_`"']* ?(?P<sign> *(?:[:=]+>?(?: ?-+(?=\s))?|-+>|\||\t|-+(?=\s)|(?=\n|\Z))|  +|is:?(?=\s))?"""
    r"""(?:\*\*|__)?[ \t|]*"""
)

#: What may precede a short name.
_OWNER = r"(?:(?:one ?roster|infinite campus|campus|api|oauth ?2?(?:\.0)?|vendor)[ _-])?"


def _pattern(names: tuple[str, ...]) -> str:
    """The names, longest first, with any or no space, hyphen, or underscore between their words."""
    joined = [r"[ \t_-]*".join(map(re.escape, name.split())) for name in sorted(names, key=len, reverse=True)]
    return "|".join(joined)


def _compiled(table: dict[Kind, tuple[str, ...]], before: str = "") -> re.Pattern[str]:
    kinds = "|".join(f"(?P<{kind}>{_pattern(names)})" for kind, names in table.items())
    return re.compile(rf"(?<![\w/.=&?@-]){before}(?:{kinds})(?![\w/@&?]){_BETWEEN}", re.IGNORECASE)


_CERTAIN = _compiled(_NAMES)
_SHORT_ONES = _compiled(_SHORT, _OWNER)

#: What may precede a name at the beginning of a line or a cell: bullets, numbers, marks of Markdown.
_OPENING = re.compile(
    r"(?:^|[\t|;])[ \t>|*#`_\"'\u2022\u00b7\u25cf\u25aa-]*(?:(?:[0-9]{1,2}|[a-z])[.)])?[ \t*`_\"'|-]*$"
)


@dataclass(frozen=True)
class Label:
    """A name found in a text.

    :param end: the position after the name and the sign that follows it.
    :param signed: whether a colon, a tab, a line end, or the like follows, so that a value comes next.
    :param is_classic: whether it is a name of the classic screen, whose keys are OAuth 1.
    """

    kind: Kind
    start: int
    end: int
    signed: bool
    is_classic: bool


def labels(text: str) -> list[Label]:
    """All names in a text, in order. A short name counts only if it cannot be prose."""
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
    """Whether a line or a cell begins at a position."""
    return _OPENING.search(text[text.rfind("\n", 0, start) + 1 : start]) is not None


#: Emails break lines at about 70 columns or more. A shorter line was ended by its writer.
_BROKEN_FROM = 60

_URL_CHARACTERS = r"[A-Za-z0-9\-._~:/?#\[\]@!$&()*+,;=%]"
_URL = re.compile(rf"https?://{_URL_CHARACTERS}*", re.IGNORECASE)
_HOST = re.compile(rf"(?:[a-z0-9-]+\.)+[a-z]{{2,}}(?::\d+)?/{_URL_CHARACTERS}+", re.IGNORECASE)
_URL_LINE = re.compile(rf"[ \t>]*({_URL_CHARACTERS}+)[>\"'|]?[ \t|]*")
#: Words in the paths of services, which may be alone on the second line of a broken URL.
_IN_PATHS = frozenset(("ims", "oneroster", "rostering", "token", "v1p1", "v1p2"))
#: Words that follow a URL in an email.
_CLOSINGS = frozenset(("and", "best", "cheers", "note", "regards", "sent", "sincerely", "thanks"))
_MASKED = re.compile(r"[*\u2022\u25cf\u00b7.xX#]{4,}")
_DAY = re.compile(r"\d{1,2}[/-]\d{1,2}[/-]\d{2,4}|\d{4}/\d{2}/\d{2}|[A-Za-z]+ \d{1,2},? \d{4}|\d{1,2} [A-Za-z]+ \d{4}")
_DATES = ("%m/%d/%Y", "%m/%d/%y", "%m-%d-%Y", "%B %d, %Y", "%b %d, %Y", "%B %d %Y", "%d %B %Y", "%d %b %Y", "%Y/%m/%d")


def url(region: str) -> str:
    """The first URL, joined over broken lines; empty if there is none."""
    found = _URL.search(region) or _HOST.search(region)
    if found is None:
        return ""
    before = region[: found.start()]
    line_start = before.rfind("\n") + 1
    is_bracketed = before.endswith("<")
    pieces = [found[0]]
    lines = region[found.end() :].split("\n")
    width = found.end() - line_start
    if not lines[0].strip(" \t"):
        for line in lines[1:]:
            if not (piece := _continued(line, pieces[-1], width, is_bracketed)):
                break
            pieces.append(piece)
            width = len(line)
            if len(piece) < len(line.strip()):
                break
    given = "".join(pieces)
    given = given if "://" in given[:8] else f"https://{given}"
    return _unwrapped(given.rstrip(".,;:!)]*"))


def token(region: str, *, signed: bool) -> str:
    """The ID or the secret; empty if the text is prose.

    :param signed: whether a colon or the like precedes it. Without one, it must look like a credential.
    """
    lines = region.split("\n")
    # one or two empty lines may follow a cell or a label
    at = next((number for number, line in enumerate(lines[:4]) if line.strip(" \t|")), None)
    if at is None:
        return ""
    line = lines[at].strip(" \t|")
    if quoted := re.match(r"""(["'`])(\S(?:.*?\S)?)\1""", line):
        return quoted[2]
    first, _, rest = line.partition(" ")
    first = first.split("\t")[0].split("|")[0]
    if _is_prose(first, rest.strip(), signed=signed):
        return ""
    whole = first if rest.strip() else first + _rest_of_token(lines[at], lines[at + 1 : at + 3])
    return _bare(whole)


def is_masked(value: str) -> bool:
    """Whether it is the dots that a screen shows instead of a secret."""
    return _MASKED.fullmatch(value) is not None


def day(region: str) -> date | None:
    """A date; month first if it is ambiguous."""
    line = next((line.strip(" \t|*`\"'") for line in region.split("\n")[:3] if line.strip(" \t|")), "")
    if iso := re.match(r"\d{4}-\d{2}-\d{2}", line):
        line = iso[0]
    elif other := _DAY.match(line):
        line = other[0]
    for form in ("%Y-%m-%d", *_DATES):
        try:
            return datetime.strptime(line, form).date()
        except ValueError:
            continue
    return None


def words(region: str) -> str:
    """The rest of the line, or the next line if this one is empty."""
    line = next((line for line in region.split("\n")[:2] if line.strip(" \t|")), "")
    return re.split(r"\t|\|| {3,}", line.strip(" \t|"))[0].strip(" *`\"'.,;")


def version(text: str) -> str:
    """`1.1` or `1.2` if a text names exactly one of them."""
    named = set(re.findall(r"\b(?:v(?:ersion)? ?)?(1[.p][12])(?![\d.]\d)", text, re.IGNORECASE))
    found = {name.replace("p", ".").replace("P", ".") for name in named}
    return found.pop() if len(found) == 1 else ""


def is_token_url(given: str) -> bool:
    """Whether a URL is certainly a Token URL."""
    return split_url(given).path.rstrip("/").endswith("/token") or "appName=" in given


def is_service_url(given: str) -> bool:
    """Whether a URL is certainly a Base URL."""
    path = split_url(given).path.lower()
    return not is_token_url(given) and ("oneroster" in path or re.search(r"/v1p[12]\b", path) is not None)


def every_url(text: str) -> list[str]:
    """All URLs in a text, joined over broken lines, in order."""
    return [url(text[match.start() :]) for match in _URL.finditer(text)]


def _continued(line: str, piece: str, width: int, is_bracketed: bool) -> str:
    """What a line adds to a broken URL; empty if it is something else."""
    match = _URL_LINE.fullmatch(line) if not is_bracketed else re.match(rf"[ \t]*({_URL_CHARACTERS}+)", line)
    if match is None or "://" in match[1]:
        return ""
    added = match[1]
    if is_bracketed or added[0] in "/?&=" or re.search(r"[/?=&%]", added):
        return added
    if re.fullmatch(r"[A-Z][a-z]+[,.!]?", added) or added[-1] in ",!" or added.lower() in _CLOSINGS:
        return ""
    if added.lower() in _IN_PATHS or piece[-1] in "?=&%":
        return added
    is_whole = re.search(r"/(oneroster|v1p[12]|token)/?$", piece) is not None
    return added if width >= _BROKEN_FROM and not is_whole else ""


def _rest_of_token(line: str, following: list[str]) -> str:
    """The continuation of a long ID or secret in the next lines."""
    rest = ""
    for next_line in following:
        added = next_line.strip(" \t")
        is_one_word = re.fullmatch(r"\S+", added) is not None
        if len(line) < _BROKEN_FROM or not is_one_word or "://" in added or re.fullmatch(r"[A-Z]?[a-z]*[,.!:]?", added):
            break
        rest += added
        line = next_line
    return rest


def _bare(value: str) -> str:
    """Without quotes, brackets, and the punctuation around it."""
    value = value.strip("`*").strip("\"'").rstrip(",;")
    if value[:1] + value[-1:] in ("<>", "[]", "()", "{}"):
        value = value[1:-1]
    return value.removesuffix(".").strip("\"'")


def _is_prose(first: str, rest: str, *, signed: bool) -> bool:
    bare = first.strip("\"'`*.,;:()[]<>")
    if len(bare) < 4 and not is_masked(first):
        return True
    is_word = re.fullmatch(r"[A-Za-z]?[a-z]+", bare) is not None
    if signed:
        return is_word and (bool(rest) or first[0] in "([" or bare.lower() in _WORDS)
    return is_word or not re.search(r"[\d_]", bare)


#: What people write instead of a secret.
_WORDS = frozenset(
    ("attached", "below", "enclosed", "follows", "hidden", "later", "none", "pending", "sent", "separately", "unknown")
)


def _unwrapped(given: str) -> str:
    """The original of a URL that an email filter rewrote."""
    parts = split_url(given)
    if parts.netloc.lower().endswith("safelinks.protection.outlook.com"):
        return parse_qs(parts.query).get("url", [given])[0]
    if inside := re.match(r"https://urldefense\.(?:com|proofpoint\.com)/v3/__(https?:/.*?)__;", given):
        return re.sub(r"^(https?):/+", r"\1://", inside[1])
    return given
