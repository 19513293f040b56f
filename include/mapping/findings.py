"""What nobody has decided yet, and decisions that decide nothing."""

from __future__ import annotations

import pandas as pd
import pyarrow as pa

from include.contracts import Finding
from include.mapping.positions import positions
from include.mapping.roles import RANK, Held
from include.settings import District


def undecided(held: Held) -> list[Finding]:
    """Schools and roles nobody has decided about, with how many people wait for it."""
    schools = _people_per(held.rows, "school_undecided", "org")
    roles = _people_per(held.rows, "role_undecided", "source_role")
    made = []
    for position, count in schools.items():
        org, name = held.orgs.loc[position, ["sourced_id", "name"]]
        shown = name if isinstance(name, str) else "A school without a name"
        message = f"{shown} ({org}) has no site; its people are left out until somebody decides."
        made.append(_warning("orgs", f"school_undecided:{org}", message, count))
    for position, count in roles.items():
        role = held.source_roles[position] if position >= 0 else ""
        message = f"The role {role} is not one of OneRoster's; say in `roles` what it becomes."
        made.append(_warning("users", f"role_undecided:{role}", message, count))
    return made


def decisions_about_nobody(district: District, users: pa.ChunkedArray) -> list[Finding]:
    """Decisions about people who are not in the roster: they left long ago, or the sourcedId has a slip in it."""
    count = int((positions(pa.array(list(district.people), pa.string()), users) < 0).sum())
    message = "Decisions in `people` are about sourcedIds that are not in the roster."
    return [_warning("users", "decision_about_nobody", message, count)] if count else []


def _people_per(rows: pd.DataFrame, reason: str, about: str) -> dict[int, int]:
    waiting = rows[rows["reason"] == RANK[reason]].groupby(about)["user"].nunique()
    return dict(zip(waiting.index.tolist(), waiting.tolist(), strict=True))


def _warning(collection: str, rule: str, message: str, count: int) -> Finding:
    return Finding(collection=collection, rule=rule, severity="warning", message=message, count=count)
