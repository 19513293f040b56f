"""A person's roles: which of several entries with the same school, role and begin date counts.

Some student information systems keep a short entry for the days of registration beside the one that goes on. The one
that lasts longest counts, an open end being the longest: the other way round a pupil would lose an account on the day
the short one ends.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from include.validate.typed import Typed

#: What tells one role of a person from another.
_KEY = ["user_sourced_id", "role", "org_sourced_id", "begin_date"]


def each_once(roles: Typed) -> tuple[Typed, dict[str, pa.Array]]:
    """The roles without entries that are there twice in every respect, and per role whether it lasts longest.

    Of those that last equally long the primary one counts, then the first.
    """
    keys = roles.rows.select(_KEY).to_pandas()
    repeated = keys.duplicated(keep=False).to_numpy()
    if not repeated.any():
        return roles, {"lasts_longest": pa.repeat(True, len(keys))}
    at = np.flatnonzero(repeated)
    entries = roles.rows.take(pa.array(at)).to_pandas()
    again = np.zeros(len(keys), dtype=bool)
    again[at[entries.duplicated().to_numpy()]] = True
    end = pd.to_datetime(entries["end_date"])
    ranked = entries[_KEY].assign(at=at, is_open=end.isna(), end=end, is_primary=entries["role_type"] == "primary")
    ranked = ranked.sort_values(["is_open", "end", "is_primary", "at"], ascending=[False, False, False, True])
    longest = np.ones(len(keys), dtype=bool)
    longest[ranked.loc[ranked.duplicated(_KEY).to_numpy(), "at"]] = False
    return roles.take(np.flatnonzero(~again)), {"lasts_longest": pa.array(longest[~again])}


def with_role_key(roles: pa.Table) -> pa.Table:
    """`<role>|<org>|<begin date>`: org and begin date may be absent, which no primary key takes.

    Campus 1.1 sends no org for a student who left: the role is kept, so that the reason for having no account is the
    missing school. A bar within the role is written `%7C`, so that no two roles have one key.
    """
    begin = pc.fill_null(roles.column("begin_date").cast(pa.string()), "")
    org = pc.fill_null(roles.column("org_sourced_id"), "")
    role = roles.column("role")
    if pc.any(pc.match_substring_regex(role, "[|%]")).as_py():
        role = pc.replace_substring(pc.replace_substring(role, "%", "%25"), "|", "%7C")
    return roles.append_column("role_key", pc.binary_join_element_wise(role, org, begin, "|"))
