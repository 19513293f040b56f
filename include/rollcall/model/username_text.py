"""Usernames as text: which are allowed, when two spellings are the same username, and letters in ASCII.

Nearly all texts are printable ASCII without a space. They never reach a Python loop.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from functools import lru_cache

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

#: Invisible characters that can be removed without changing what people read: soft hyphen, joiners, direction marks,
#: byte order mark, variation selectors, tags.
_INVISIBLE = (
    "\u00ad\u034f\u061c\u180b-\u180f\u200b-\u200f\u2060-\u2064\u206a-\u206f\ufe00-\ufe0f\ufeff"
    "\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff"
)
#: Spaces, control characters, and characters that look like spaces: removed around a username, refused inside it.
_BLANK = "\\s\x00-\x1f\x7f-\x9f\u115f\u1160\u17b4\u17b5\u2065\u2800\u3164\uffa0"
#: A change of direction reverses what people see, so it cannot be removed safely. U+FFFD stands for a lost letter.
_REFUSED = f"{_BLANK}\u202a-\u202e\u2066-\u2069\ufff0-\ufffd"

_invisible = re.compile(f"[{_INVISIBLE}]")
_around = re.compile(f"^[{_BLANK}]+|[{_BLANK}]+$")
_refused = re.compile(f"[{_REFUSED}]")
_not_compared = re.compile(f"[{_INVISIBLE}\x00-\x1f\x7f-\x9f]")
_words = re.compile(r"[^\W\d_]+")

#: All other characters are printable ASCII, which needs no conversion. The warehouse's index has the same pattern.
UNUSUAL = "[^!-~]"

#: Scripts with letters that look alike.
_ALIKE = frozenset({"LATIN", "CYRILLIC", "GREEK", "COPTIC", "ARMENIAN", "CHEROKEE"})


def visible(text: str) -> str:
    """A text without invisible characters and without spaces around it, in Unicode's composed form (NFC)."""
    return unicodedata.normalize("NFC", _around.sub("", _invisible.sub("", text)))


def is_refused(text: str) -> bool:
    """Whether a text has a character that no username may contain: a space, a control or direction character."""
    return bool(_refused.search(text)) or any(unicodedata.category(letter) in ("Cn", "Co", "Cs") for letter in text)


def username_key(text: str) -> str:
    """A username as it is compared: NFKC, case folded, without invisible characters and spaces around it."""
    folded = unicodedata.normalize("NFKC", _not_compared.sub("", text)).casefold()
    return _around.sub("", unicodedata.normalize("NFKC", folded).casefold())


def looks_like_other_letters(text: str) -> bool:
    """Whether a word of the text looks like a different word: it mixes scripts that look alike, such as Latin and
    Cyrillic, or it is in another script with only letters that look like Latin ones.
    """
    return not text.isascii() and any(map(_is_ambiguous, _words.findall(text)))


def to_ascii(text: str) -> str:
    """A text in ASCII letters: accents are removed, other letters are transliterated (ø o, ß ss, þ th, Ж Zh).

    :returns: U+FFFD stands for a character without ASCII letters, such as an emoji. No letter is dropped.
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


# -- columns -----------------------------------------------------------------------------------------------------------


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
    """Which texts contain anything other than printable ASCII."""
    texts = pa.array(values, pa.string(), from_pandas=True)
    found = pc.fill_null(pc.match_substring_regex(texts, UNUSUAL), False)
    return pd.Series(found.to_numpy(zero_copy_only=False), index=values.index, dtype=bool)


def changed_where_unusual(values: pd.Series, change: Callable[[str], str], of: pd.Series | None = None) -> pd.Series:
    """The values, with the unusual ones changed.

    :param of: the texts to examine and change; the values themselves by default.
    """
    source = values if of is None else of
    rows = unusual(source)
    if not rows.any():
        return values
    made = values.astype("object")
    made[rows] = [change(text) for text in source[rows]]
    return made.astype("str")


def where_unusual(values: pd.Series, predicate: Callable[[str], bool]) -> pd.Series:
    """Whether each value meets a predicate that only unusual values can meet."""
    rows = unusual(values)
    if not rows.any():
        return rows
    made = rows.copy()
    made[rows] = [predicate(text) for text in values[rows]]
    return made
