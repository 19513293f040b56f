"""Why something changes: the short reason to count by, and the sentence."""

from __future__ import annotations

from include.contracts import LEFT_OUT_REASONS
from include.merge.compare import ABSENT_TWICE, MOVED_AWAY, NOT_IN_RECORD, OWNER_REMOVED, TOMBSTONE

NEW = "new in the SIS"
CHANGED = "changed in the SIS"
RETURNED = "returned"
MISSING = "missing"
ROLE = "role"
MAPPING = "mapping"

#: What a left-out reason comes down to; a reason that is not here is one of our mapping.
_LEFT_OUT = {
    "decided": "decision",
    "no_role": ROLE,
    "role_left_out": ROLE,
    "role_undecided": ROLE,
    "filtered_role": "filter",
    "role_ended": "term end",
    "role_not_begun": "not begun",
    "filtered_school": "filter",
    "filtered_grade": "filter",
    "no_class": "term end",
    "no_username": "username",
    "username_pattern": "username",
    "username_collision": "username",
    "same_person": "second record",
}

#: The short reason of each cause that merge and mapping write.
REASONS: dict[str, str] = {
    TOMBSTONE: "SIS tombstone",
    ABSENT_TWICE: MISSING,
    NOT_IN_RECORD: CHANGED,
    OWNER_REMOVED["users"]: "person removed",
    OWNER_REMOVED["classes"]: "class removed",
    MOVED_AWAY: ROLE,
    **{reason: _LEFT_OUT.get(reason, MAPPING) for reason in LEFT_OUT_REASONS},
}

#: The sentence of each cause; causes that are sentences already stand for themselves.
SENTENCES: dict[str, str] = dict(LEFT_OUT_REASONS)
