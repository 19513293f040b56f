"""Turns what a district sent into plain lines: decodes email, removes HTML, and undoes quoting and typography.

Nothing here knows the fields. A character is replaced only if the original is certain: nobody types a zero-width space,
and an email program made a typographic quote or dash from the plain one.
"""

from __future__ import annotations

import email
import email.policy
import quopri
import re
from email.message import EmailMessage
from html.parser import HTMLParser

#: Invisible characters: soft hyphens, zero-width characters, direction marks, the byte order mark, variation marks.
_UNSEEN = re.compile(r"[\u00ad\u034f\u061c\u180e\u200b-\u200f\u202a-\u202e\u2060-\u2064\u2066-\u2069\ufe0f\ufeff]")
_SPACES = re.compile(r"[\u00a0\u1680\u2000-\u200a\u202f\u205f\u3000]")
_LINE_ENDS = re.compile(r"\r\n?|[\x0b\x0c\x85\u2028\u2029]")
_TYPESET = str.maketrans(
    {
        **dict.fromkeys("\u201c\u201d\u201e\u201f\u00ab\u00bb\u2033\u02ba\uff02", '"'),
        **dict.fromkeys("\u2018\u2019\u201a\u201b\u2039\u203a\u2032\u02b9\u00b4\uff07", "'"),
        **dict.fromkeys("\u2010\u2011\u2012\u2013\u2014\u2015\u2212\ufe58\ufe63\uff0d", "-"),
        **dict.fromkeys("\uff1a\ufe55\u2236", ":"),
        "\uff1d": "=",
        "\u2044": "/",
    }
)

_QUOTED = re.compile(r"^[ \t]*(?:[>|][ \t]?)*>[ \t]?", re.MULTILINE)
_MAIL_HEADER = re.compile(
    r"\A(?:From \S.*\n)?(?:[A-Za-z][A-Za-z0-9-]*:.*\n(?:[ \t].*\n)*)*?"
    r"(?:MIME-Version|Content-Type|Content-Transfer-Encoding|Message-ID|Received):",
    re.IGNORECASE,
)
_HTML = re.compile(r"<(?:html|body|div|table|tr|td|p|br|span)\b[^>]*>", re.IGNORECASE)

#: Quoted-printable writes `=` as `=3D` and ends lines at column 76 at most; quoting may add a few columns.
_ENCODED = re.compile(r"=3D|=20$|=C2=A0|=E2=80", re.MULTILINE)
_SOFT_BREAK = re.compile(r"^(.{68,})=\n", re.MULTILINE)


def plain_lines(content: bytes) -> list[str]:
    """The lines of a text or a saved email, in reading order."""
    text = _LINE_ENDS.sub("\n", _decoded(content))
    if _MAIL_HEADER.match(text):
        text = _LINE_ENDS.sub("\n", _body(content, text))
    if _HTML.search(text):
        text = _without_tags(text)
    text = _QUOTED.sub("", text)
    text = _without_soft_breaks(text)
    text = _SPACES.sub(" ", _UNSEEN.sub("", text)).translate(_TYPESET)
    return [line.rstrip() for line in text.split("\n")]


def _decoded(content: bytes) -> str:
    """UTF-8, UTF-16 with its mark, or the encoding of Windows."""
    if content[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return content.decode("utf-16", "replace")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return content.decode("cp1252", "replace")


def _body(content: bytes, text: str) -> str:
    """The text of a saved email; the plain part if it has both."""
    message = email.message_from_bytes(content, policy=email.policy.default)
    part = message.get_body(("plain", "html")) if isinstance(message, EmailMessage) else None
    if part is None:
        return text
    try:
        return str(part.get_content())
    except (LookupError, UnicodeError):  # a character set nobody knows
        return text


def _without_soft_breaks(text: str) -> str:
    """Text in quoted-printable that was not decoded."""
    if _ENCODED.search(text):
        # characters that should be encoded but are not, such as typographic quotes, must survive the bytes
        return quopri.decodestring(text.encode()).decode("utf-8", "replace")
    return _SOFT_BREAK.sub(r"\1", text)


def _without_tags(text: str) -> str:
    reader = _Reader()
    reader.feed(text)
    reader.close()
    return "".join(reader.pieces)


class _Reader(HTMLParser):
    """HTML as lines: a row of a table is a line, and tabs separate its cells."""

    _LINES = ("p", "div", "br", "tr", "li", "h1", "h2", "h3", "h4", "h5", "h6", "table", "ul", "ol", "pre")
    _SKIPPED = ("style", "script", "head", "title")

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.pieces: list[str] = []
        self._skipping = 0
        self._cells = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:  # noqa: ARG002 - its base's
        if tag in self._SKIPPED:
            self._skipping += 1
        elif tag in ("td", "th"):
            self._cells += 1
            self.pieces.append("\t")
        elif tag in self._LINES:
            self._break()

    def handle_endtag(self, tag: str) -> None:
        if tag in self._SKIPPED:
            self._skipping = max(0, self._skipping - 1)
        elif tag in ("td", "th"):
            self._cells = max(0, self._cells - 1)
        elif tag in self._LINES:
            self._break()

    def handle_data(self, data: str) -> None:
        if not self._skipping:
            self.pieces.append(re.sub(r"[ \t\n]+", " ", data))

    def _break(self) -> None:
        """A paragraph inside a cell does not end the row."""
        if not self._cells:
            self.pieces.append("\n")
        elif self.pieces and not self.pieces[-1].endswith("\t"):
            self.pieces.append(" ")
