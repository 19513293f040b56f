"""Text from outside as text: no character of it can move a cursor, set a color, hide, or turn the line around.

Providers have sent escape sequences, carriage returns, and direction marks in names (rule 8: what a provider wrote is
data wherever it is shown). Each such character becomes one visible sign, so that columns stay aligned.
"""

from __future__ import annotations

import json
import logging
import re
from typing import Any

#: Control characters, and characters that are invisible or change the direction of a line. Joiners (U+200C and U+200D)
#: stay, because Persian and Indian names need them.
_UNSAFE = re.compile(
    "[\x00-\x1f\x7f-\x9f\u00ad\u061c\u115f\u1160\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\u3164\ufeff"
    "\ufff9-\ufffb\ufffe\uffff\ud800-\udfff\U000e0000-\U000e007f]"
)
_NOT_SAFE_IN_LINES = re.compile(_UNSAFE.pattern.replace("\x00-\x1f", "\x00-\x09\x0b-\x1f"))


def printable(value: object) -> str:
    """A value as one line of text. Control characters show as `␛`, `␍`, `␉`; the others as `�`."""
    return _UNSAFE.sub(_sign, str(value))


def printable_lines(text: str) -> str:
    """Text of several lines. Line feeds stay; everything else is as in `printable`."""
    return _NOT_SAFE_IN_LINES.sub(_sign, text)


def _sign(match: re.Match[str]) -> str:
    code = ord(match.group())
    if code < 0x20:
        return chr(0x2400 + code)
    return "␡" if code == 0x7F else "�"


#: What Markdown, also GitHub's, reads as markup, and where it makes links by itself.
_MARKUP = re.compile(r"[\\`*_\[\]<>|~#!&]|(?<=https):(?=//)|(?<=http):(?=//)|(?<=www)\.|@")


def markdown_text(value: object) -> str:
    """A value as text in Markdown: no links, images, emphasis, or HTML."""
    return _MARKUP.sub(lambda match: f"&#{ord(match.group())};", printable(value))


def as_json(value: Any) -> str:
    """JSON that a terminal shows as text. A reader gets every value back unchanged."""
    text = json.dumps(value, default=str, indent=1, ensure_ascii=False)
    return _NOT_SAFE_IN_LINES.sub(lambda match: json.dumps(match.group())[1:-1], text)


def as_yaml(text: str) -> str:
    """A text in double quotes, as in JSON and in YAML. YAML has no surrogate pairs, so its long escape is used."""
    quoted = json.dumps(text, ensure_ascii=False)
    return _UNSAFE.sub(lambda match: f"\\U{ord(match.group()):08X}", quoted)


class PrintableFormatter(logging.Formatter):
    """Log lines as text, with the lines of a traceback."""

    def format(self, record: logging.LogRecord) -> str:
        return printable_lines(super().format(record))
