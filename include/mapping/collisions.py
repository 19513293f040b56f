"""Who may have a username that several want (DESIGN, rule 10).

Names are compared without case, and between persons, not records. Who has the name now keeps it, also on a night on
which they would give it up: a change of name waits for somebody who agrees, and until then the name is not free. Where
nobody has it, nobody gets it.
"""

from __future__ import annotations

import numpy as np
import pandas as pd


def collisions(candidates: pd.DataFrame, holders: pd.DataFrame) -> pd.Series:
    """Who of the candidates must go without, because another person has or wants the same username.

    Two who exchange their names both get them: they are told as name changes, and those wait for a person one by one.

    :param candidates: `user`, `person`, `username` wanted tonight, one row per record, one username per person.
    :param holders: `user`, `person`, `username` of the accounts readers have, of people who can have one tonight too.
    :returns: for each candidate the user of the other person, null where there is no collision.
    """
    folded = pd.concat([candidates["username"], holders["username"]], ignore_index=True).str.lower()
    codes, _ = pd.factorize(folded)
    wanted = pd.DataFrame({"name": codes[: len(candidates)], "person": candidates["person"].to_numpy()})
    wanted["user"] = candidates["user"].to_numpy()
    held = pd.DataFrame({"name": codes[len(candidates) :], "person": holders["person"].to_numpy()})
    held["user"] = holders["user"].to_numpy()
    held = held.drop_duplicates(["name", "person"])
    claims = wanted.drop_duplicates("person")
    is_held = claims["name"].isin(held["name"])
    claims = claims[is_held | claims["name"].duplicated(keep=False)]
    if claims.empty:
        return pd.Series(None, index=candidates.index, dtype="Int64")
    having = pd.MultiIndex.from_frame(held[["name", "person"]])
    has = pd.Series(pd.MultiIndex.from_frame(claims[["name", "person"]]).isin(having), index=claims.index)
    renames = claims["person"].isin(held["person"]) & ~has
    wanted_by_its_owner = claims["name"].isin(claims.loc[has, "name"])
    keeps = has & _only_one(claims["name"], has)
    exchanges = renames & _only_one(claims["name"], renames) & is_held[claims.index] & ~wanted_by_its_owner
    refused = claims[~(keeps | exchanges)]
    return _others(refused, wanted, claims, held, candidates.index)


def _only_one(names: pd.Series, which: pd.Series) -> pd.Series:
    """Whether of these rows exactly one has the row's name."""
    return names.map(names[which].value_counts()) == 1


def _others(
    refused: pd.DataFrame, wanted: pd.DataFrame, claims: pd.DataFrame, held: pd.DataFrame, index: pd.Index
) -> pd.Series:
    """Whom to name to each who is refused: who has the name, else the first of the others who want it."""
    named = pd.concat(
        [held[["name", "person", "user"]].assign(turn=0), claims[["name", "person", "user"]].assign(turn=1)]
    )
    pairs = refused[["name", "person"]].merge(named, on="name", suffixes=("", "_other"))
    pairs = pairs[pairs["person"] != pairs["person_other"]].sort_values(["person", "turn", "user"])
    first = pairs.drop_duplicates("person").set_index("person")["user"]
    other = wanted["person"].map(first)
    return pd.Series(other.to_numpy(dtype=np.float64), index=index).astype("Int64")
