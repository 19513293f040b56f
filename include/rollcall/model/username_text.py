"""Usernames as text: what may be published, when two spellings are one username, and letters written in ASCII.

Texts of printable ASCII without a space, which is nearly all of them, never reach a Python loop.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from functools import lru_cache

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

#: Characters nobody sees, whose removal leaves what everybody reads: soft hyphen, joiners, marks of direction,
#: byte order mark, variation selectors, tags.
_INVISIBLE = (
    "\u00ad\u034f\u061c\u180b-\u180f\u200b-\u200f\u2060-\u2064\u206a-\u206f\ufe00-\ufe0f\ufeff"
    "\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff"
)
#: White space, control characters and what looks like a blank: taken away around a username, refused inside it.
_BLANK = "\\s\x00-\x1f\x7f-\x9f\u115f\u1160\u17b4\u17b5\u2065\u2800\u3164\uffa0"
#: Changes of direction turn around what a reader sees, so no removal is safe; U+FFFD is a letter that was lost.
_REFUSED = f"{_BLANK}\u202a-\u202e\u2066-\u2069\ufff0-\ufffd"

_invisible = re.compile(f"[{_INVISIBLE}]")
_around = re.compile(f"^[{_BLANK}]+|[{_BLANK}]+$")
_refused = re.compile(f"[{_REFUSED}]")
_not_compared = re.compile(f"[{_INVISIBLE}\x00-\x1f\x7f-\x9f]")
_words = re.compile(r"[^\W\d_]+")

#: Everything else is printable ASCII, where a username is its own spelling. The warehouse's index says the same.
UNUSUAL = "[^!-~]"

#: Scripts whose letters can be taken for each other's.
_ALIKE = frozenset({"LATIN", "CYRILLIC", "GREEK", "COPTIC", "ARMENIAN", "CHEROKEE"})


def visible(text: str) -> str:
    """A text without invisible characters and without blanks around it, in Unicode's composed form (NFC)."""
    return unicodedata.normalize("NFC", _around.sub("", _invisible.sub("", text)))


def is_refused(text: str) -> bool:
    """Whether a text holds what no username may: a blank, a control character, a turned direction."""
    return bool(_refused.search(text)) or any(unicodedata.category(letter) in ("Cn", "Co", "Cs") for letter in text)


def username_key(text: str) -> str:
    """A username as it is compared: compatibility forms (NFKC) and case folded, nothing invisible, no blanks around."""
    folded = unicodedata.normalize("NFKC", _not_compared.sub("", text)).casefold()
    return _around.sub("", unicodedata.normalize("NFKC", folded).casefold())


def looks_like_other_letters(text: str) -> bool:
    """Whether a word of the text can be taken for another one: it mixes scripts that look alike, such as Latin and
    Cyrillic, or is written in one of them with nothing but letters that look like Latin ones.
    """
    return not text.isascii() and any(map(_is_ambiguous, _words.findall(text)))


def to_ascii(text: str) -> str:
    """A text in ASCII letters: accents go, other letters become what they are written as (ø o, ß ss, þ th, Ж Zh).

    :returns: with U+FFFD in place of what has no ASCII letters, such as an emoji; no letter is ever left away.
    """
    composed = unicodedata.normalize("NFC", text)
    written = "".join(map(_letter, composed))
    return written.lower() if composed == composed.lower() else written


@lru_cache(maxsize=4096)
def _letter(letter: str) -> str:
    if letter.isascii():
        return letter
    from anyascii import anyascii  # tables are read for those who need them

    written: str = anyascii(letter)
    is_sign = unicodedata.category(letter).startswith("M")
    return written if is_sign or re.fullmatch(r"[A-Za-z0-9'._ -]+", written) else "\ufffd"


@lru_cache(maxsize=4096)
def _is_ambiguous(word: str) -> bool:
    from confusable_homoglyphs import categories, confusables

    scripts = categories.unique_aliases(word) & _ALIKE
    if len(scripts) > 1:
        return True
    if not scripts or scripts == {"LATIN"}:
        return False
    return all(confusables.is_confusable(letter, preferred_aliases=["latin"]) for letter in word)


# -- of many -----------------------------------------------------------------------------------------------------------


def visible_texts(values: pd.Series) -> pd.Series:
    """`visible` of each; null stays null."""
    return changed_where_unusual(values, visible)


def username_keys(values: pd.Series) -> pd.Series:
    """`username_key` of each; null stays null."""
    return changed_where_unusual(values.str.lower(), username_key, values)


def key_column(values: pa.Array | pa.ChunkedArray) -> pa.Array:
    """`username_key` of each, for Arrow."""
    keys = username_keys(pd.Series(values.to_pandas(), dtype="str"))
    return pa.array(keys, pa.string(), from_pandas=True)


def unusual(values: pd.Series) -> pd.Series:
    """Which texts hold anything but printable ASCII."""
    texts = pa.array(values, pa.string(), from_pandas=True)
    found = pc.fill_null(pc.match_substring_regex(texts, UNUSUAL), False)
    return pd.Series(found.to_numpy(zero_copy_only=False), index=values.index, dtype=bool)


def changed_where_unusual(values: pd.Series, change: Callable[[str], str], of: pd.Series | None = None) -> pd.Series:
    """The values, the unusual ones changed.

    :param of: what is looked at and changed; the values themselves by default.
    """
    source = values if of is None else of
    rows = unusual(source)
    if not rows.any():
        return values
    made = values.astype("object")
    made[rows] = [change(text) for text in source[rows]]
    return made.astype("str")


def where_unusual(values: pd.Series, holds: Callable[[str], bool]) -> pd.Series:
    """For each value whether something holds that can hold of unusual ones only."""
    rows = unusual(values)
    if not rows.any():
        return rows
    made = rows.copy()
    made[rows] = [holds(text) for text in values[rows]]
    return made
