"""The encoding an answer declares, and its body in UTF-8, which everything after the transport expects.

JSON is UTF-8 (RFC 8259, section 8.1), but servers exist that write ISO-8859-1 and say so in `Content-Type`; read as
UTF-8, each person with an accent in the name would be lost.
"""

from __future__ import annotations

import codecs
from email.message import Message

#: Python's own escapes and name codings: no server means them, and some are slow on purpose-made input.
_NO_CHARSETS = {"idna", "punycode", "raw-unicode-escape", "undefined", "unicode-escape", "utf-7"}

#: What servlet containers declare where nobody configured them, also above UTF-8.
_DECLARED_BY_DEFAULT = {"iso8859-1", "cp1252"}


def as_utf8(content_type: str | None, body: bytes) -> bytes:
    """The body in UTF-8; as it came where nothing else is declared, or where the declaration cannot be right.

    A name nobody knows says nothing. Bytes that the declared encoding does not have are left for the decoder of
    records, which sets aside the records that are not UTF-8. ISO-8859-1 is read as windows-1252, as the web does
    (WHATWG Encoding, section 4.2): the two differ in control characters that no name has. Where it is declared and the
    body is UTF-8 to its last byte, the body is UTF-8: no text in ISO-8859-1 with an accent in it is that by chance.
    """
    name = _declared(content_type)
    if name in (None, "utf-8", "ascii"):
        return body
    if name not in _DECLARED_BY_DEFAULT:
        return _decoded(body, str(name)) or body
    if body.isascii() or _decoded(body, "utf-8") is not None:
        return body
    return _decoded(body, "cp1252") or body.decode("iso8859-1").encode()


def _decoded(body: bytes, name: str) -> bytes | None:
    try:
        return body.decode(name).encode()
    except UnicodeError:
        return None


def _declared(content_type: str | None) -> str | None:
    """Python's name of the declared encoding, if it is one of text."""
    if not content_type or "charset" not in content_type.lower():
        return None
    message = Message()
    try:
        message["Content-Type"] = content_type
        found = codecs.lookup(message.get_content_charset() or "")
        is_text = found._is_text_encoding
    except (LookupError, ValueError):  # unknown, or no name at all
        return None
    return found.name if is_text and found.name.replace("_", "-") not in _NO_CHARSETS else None
