"""JSON cut into its parts by its own punctuation, for pages that no decoder takes as a whole.

One record may hold what JSON does not have (`NaN`, a number with a million digits) or what no decoder follows (lists
in lists a thousand deep). The rest of its page is well formed, so the page can be cut into records and each be read by
itself. A text that is not well formed apart from such values is not cut at all: a wrong cut would lose records.
"""

from __future__ import annotations

import re

#: White space, then a string, a mark, or a word: a number, a literal, or something like `NaN` in place of one.
_TOKEN = re.compile(
    rb'[ \t\n\r]*+(?:(?P<string>"[^"\\]*+(?:\\.[^"\\]*+)*+")|(?P<mark>[{}\[\],:])|(?P<word>[-+.\w]++))', re.DOTALL
)
_STRING = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"', re.DOTALL)
_CONTROL = re.compile(rb"[\x00-\x1f]")
_SPACE = b" \t\n\r"

#: Words that may be an element of the list that is cut: numbers, and the literals of JSON and of JavaScript.
_ELEMENT = re.compile(rb"true|false|null|[-+]?(?:NaN|Infinity)|-?\d[-+.\w]*")

#: What may come next, and per kind of token what may come after that; a comma and an end depend on what is open.
_NEXT: dict[str, dict[str, str]] = {
    "value": {"string": "comma", "word": "comma", "{": "name or end", "[": "value or end"},
    "value or end": {"string": "comma", "word": "comma", "{": "name or end", "[": "value or end", "]": "comma"},
    "name": {"string": "colon"},
    "name or end": {"string": "colon", "}": "comma"},
    "colon": {":": "value"},
    "comma": {",": "value", "}": "comma", "]": "comma"},
}
_OPENED_BY = {"}": "{", "]": "["}


def children(text: bytes) -> list[tuple[bytes, bytes]] | None:
    """The members of an object as its names, quotes included, and values; the values of a list with empty names.

    :returns: None where the text is neither, or is not well formed apart from odd words in place of values.
    """
    found: list[tuple[bytes, bytes]] = []
    opened: list[str] = []
    name, begin, place, state = b"", -1, 0, "value"
    while match := _TOKEN.match(text, place):
        start, place = match.start(match.lastgroup or 0), match.end()
        kind = text[start:place].decode() if match.lastgroup == "mark" else str(match.lastgroup)
        followed = _followed(state, kind, opened)
        if followed is None or (opened == ["["] and kind == "word" and not _ELEMENT.fullmatch(text[start:place])):
            return None
        state = followed
        if not opened:
            last = text[begin:start].strip(_SPACE)
            return found + [(name, last)] * bool(last) if begin >= 0 and not text[place:].strip(_SPACE) else None
        if len(opened) > 1:
            continue
        if begin < 0 or kind == ":":
            name, begin = text[begin:start].strip(_SPACE) if kind == ":" else b"", place
        elif kind == ",":
            found.append((name, text[begin:start].strip(_SPACE)))
            begin = place
    return None


def _followed(state: str, kind: str, opened: list[str]) -> str | None:
    """What may come after a token; None where it may not stand there. `opened` is kept up to date."""
    followed = _NEXT[state].get(kind)
    if followed is None:
        return None
    if kind in "{[":
        opened.append(kind)
    elif kind in "}]" and (not opened or opened.pop() != _OPENED_BY[kind]):
        return None
    elif kind == ",":
        return "name" if opened[-1] == "{" else "value"
    return followed


def with_control_characters_marked(text: bytes) -> bytes:
    """Control characters, which JSON has no place for in strings, become a NUL escape and a space; NUL the escape."""
    if not _CONTROL.search(text):
        return text
    return _STRING.sub(lambda string: _CONTROL.sub(_marked, string[0]), text)


def _marked(control: re.Match[bytes]) -> bytes:
    return rb"\u0000" if control[0] == b"\0" else rb"\u0000\u0020"
