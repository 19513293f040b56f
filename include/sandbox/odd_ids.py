"""sourcedIds as they may be and as some are: with `/` and `@`, a space, letters outside ASCII, 255 characters long.

OneRoster's CSV binding allows letters, digits and `. - _ / @`, less than 256 characters; providers send more than that.
"""

from __future__ import annotations

from zlib import crc32

LONGEST = 255


def odd(key: str) -> str:
    """The odd spelling of a key, one of six by the key itself, so that references to it are spelled alike."""
    match crc32(key.encode()) % 6:
        case 0:
            return f"{key}/a"
        case 1:
            return f"{key}@campus"
        case 2:
            return f"{key} b"
        case 3:
            return f"{key}-ñ学"
        case 4:
            return key.ljust(LONGEST, ".")
    return key
