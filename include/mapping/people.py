"""Which records are one person, and who may have a username."""

from __future__ import annotations

import pandas as pd


def person_ids(users: pd.DataFrame, key: str) -> pd.Series:
    """A person per record: records with the same key, name and role are one (Ed-Fi sends one per school, Campus 1.1 one
    per role); without a key a record is a person of its own.

    :param users: with `role`, what the person becomes: student or staff.
    :param key: `identifier` or `sourcedId`.
    """
    if key == "sourcedId":
        return users["sourced_id"]
    identifier = users["identifier"].astype("str").str.strip()
    given, family = (users[name].astype("str").fillna("").str.lower() for name in ("given_name", "family_name"))
    joined = identifier + "\x1f" + given + "\x1f" + family + "\x1f" + users["role"].astype("str")
    return joined.where(identifier.str.len() > 0, users["sourced_id"])


def collisions(candidates: pd.DataFrame, holders: pd.DataFrame) -> pd.Series:
    """Who of the candidates must go without, because another person has or wants the same username.

    Names are compared without case. Who has the name now keeps it; where nobody has it, nobody gets it.

    :param candidates: `user`, `person`, `username` wanted tonight, one row per record.
    :param holders: `user`, `username` of the accounts readers have.
    :returns: for each candidate the sourcedId of the other person, null where there is no collision.
    """
    wanted = candidates.assign(folded=candidates["username"].str.lower())
    persons = wanted.groupby("folded")["person"].nunique()
    contested = wanted[wanted["folded"].map(persons) > 1]
    held = set(zip(holders["user"], holders["username"].str.lower(), strict=True))
    other: dict[object, str] = {}
    for _, group in contested.groupby("folded"):
        has = [key in held for key in zip(group["user"], group["folded"], strict=True)]
        holding = set(group.loc[has, "person"])
        winner = next(iter(holding)) if len(holding) == 1 else None
        for index, person in group["person"].items():
            if person != winner:
                other[index] = group.loc[group["person"] != person, "user"].iloc[0]
    return pd.Series(other, index=candidates.index, dtype="str")
