"""Placeholders: texts that an export writes where its database has no value (`NULL`, `N/A`).

UK servers of 1.1 send `NULL` as an email. If it counted as a value, many people would share an address, or one of them
would get it as a username.
"""

from __future__ import annotations

import re

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

_WORDS = r"null|nil|none|undefined|n/a|n\.a\.?|not (?:available|applicable|provided|set)|no (?:e-?mail|value|data)"
#: With or without brackets and spaces; in the forms of MySQL (`\N`), Excel (`#N/A`), and Arrow (`<NA>`); or a dash.
_NO_VALUE = rf"(?i)^\s*(?:[(<\[{{]?\s*(?:{_WORDS})\s*[)>\]}}]?|<na>|<nan>|#n/a|#null!?|\\n|[-–—]+)\s*$"
#: An address needs an @, so these words cannot be a person's address.
_NO_ADDRESS = r"(?i)^\s*(?:na|nan|nat|unknown|tbd|tba|empty|blank|missing|false|0|x+|\?+|\.+)\s*$"

_one = re.compile(_NO_VALUE)


def is_no_value(text: str) -> bool:
    """Whether a text is a placeholder."""
    return bool(_one.match(text))


def says_no_value(texts: pa.Array | pa.ChunkedArray, *, address: bool = False) -> pa.Array | pa.ChunkedArray:
    """True where a text is a placeholder; false for null.

    :param address: the texts are email addresses. Then more words are placeholders.
    """
    found = pc.match_substring_regex(texts, _NO_VALUE)
    if address:
        found = pc.or_(found, pc.match_substring_regex(texts, _NO_ADDRESS))
    return pc.fill_null(found, False)


def without_no_value(texts: pd.Series, *, address: bool = False) -> pd.Series:
    """The texts, with null in place of placeholders."""
    found = says_no_value(pa.array(texts, pa.string(), from_pandas=True), address=address)
    return texts.mask(found.to_numpy(zero_copy_only=False)) if pc.any(found).as_py() else texts
