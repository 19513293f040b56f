"""Texts that say that there is no value: what an export writes where its database has nothing (`NULL`, `N/A`).

UK servers of 1.1 send `NULL` as an e-mail. Taken for a value it is an address that many people share, or the username
of one of them.
"""

from __future__ import annotations

import re

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

_WORDS = r"null|nil|none|undefined|n/a|n\.a\.?|not (?:available|applicable|provided|set)|no (?:e-?mail|value|data)"
#: In brackets or without, with blanks around it; as MySQL (`\N`), Excel (`#N/A`) and Arrow (`<NA>`) write it; a dash.
_NO_VALUE = rf"(?i)^\s*(?:[(<\[{{]?\s*(?:{_WORDS})\s*[)>\]}}]?|<na>|<nan>|#n/a|#null!?|\\n|[-–—]+)\s*$"
#: What has no @ is no address, so these need not be somebody's name.
_NO_ADDRESS = r"(?i)^\s*(?:na|nan|nat|unknown|tbd|tba|empty|blank|missing|false|0|x+|\?+|\.+)\s*$"

_one = re.compile(_NO_VALUE)


def is_no_value(text: str) -> bool:
    """Whether one text says that there is no value."""
    return bool(_one.match(text))


def says_no_value(texts: pa.Array | pa.ChunkedArray, *, address: bool = False) -> pa.Array | pa.ChunkedArray:
    """True where a text says that there is no value; false for null.

    :param address: these are e-mail addresses, which some more words cannot be.
    """
    found = pc.match_substring_regex(texts, _NO_VALUE)
    if address:
        found = pc.or_(found, pc.match_substring_regex(texts, _NO_ADDRESS))
    return pc.fill_null(found, False)


def without_no_value(texts: pd.Series, *, address: bool = False) -> pd.Series:
    """The texts, null where one says that there is no value."""
    found = says_no_value(pa.array(texts, pa.string(), from_pandas=True), address=address)
    return texts.mask(found.to_numpy(zero_copy_only=False)) if pc.any(found).as_py() else texts
