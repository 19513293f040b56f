"""Who may have a username that several want (DESIGN, rule 10).

Names are compared by their key (`include.username_text.username_key`), and between persons, not records. Who has the
name now keeps it, also on a night on which they would give it up: a change of name waits for somebody who agrees, and
until then the name is not free. Where nobody has it, nobody gets it.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from include.username_text import username_keys


def collisions(candidates: pd.DataFrame, holders: pd.DataFrame) -> pd.Series:
    """Who of the candidates must go without, because another person has or wants the same username.

    Two who exchange their names both get them: they are told as name changes, and those wait for a person one by one.

    A record that is disabled yields to one that is not: of two that want a name nobody has, and where the disabled one
    has it, to another record of the same name. An old record must not cost the current one its account.

    :param candidates: `user`, `person`, `username` wanted tonight, `is_enabled` and `name` (of whom the record is), one
        row per record, one username per person.
    :param holders: `user`, `person`, `username` of the accounts readers have, of people who can have one tonight too.
    :returns: for each candidate the user of the other person, null where there is no collision.
    """
    names = pd.concat([candidates["username"], holders["username"]], ignore_index=True)
    codes, _ = pd.factorize(username_keys(names))
    wanted = pd.DataFrame({"name": codes[: len(candidates)], "person": candidates["person"].to_numpy()})
    wanted["user"] = candidates["user"].to_numpy()
    held = pd.DataFrame({"name": codes[len(candidates) :], "person": holders["person"].to_numpy()})
    held["user"] = holders["user"].to_numpy()
    held = held.drop_duplicates(["name", "person"])
    wanted["is_enabled"] = candidates["is_enabled"].groupby(candidates["person"]).transform("any").to_numpy()
    wanted["of"] = candidates["name"].to_numpy()
    every = wanted.drop_duplicates("person")
    yields, held = _yielding(every, held)
    claims = every[~yields]
    is_held = claims["name"].isin(held["name"])
    claims = claims[is_held | claims["name"].duplicated(keep=False)]
    if claims.empty and not yields.any():
        return pd.Series(None, index=candidates.index, dtype="Int64")
    has = _has(claims, held)
    renames = claims["person"].isin(held["person"]) & ~has
    wanted_by_its_owner = claims["name"].isin(claims.loc[has, "name"])
    keeps = has & _only_one(claims["name"], has)
    exchanges = renames & _only_one(claims["name"], renames) & is_held[claims.index] & ~wanted_by_its_owner
    refused = pd.concat([claims[~(keeps | exchanges)], every[yields]])
    contested = every[every["name"].isin(refused["name"])]
    return _others(refused, wanted, contested, held, candidates.index)


def _yielding(claims: pd.DataFrame, held: pd.DataFrame) -> tuple[pd.Series, pd.DataFrame]:
    """Which disabled people yield their name to somebody who is not, and who has a name without those."""
    current = claims[claims["is_enabled"]]
    wanted_by = current.groupby("name").agg(count=("person", "size"), of=("of", "first"))
    rivals = claims[["name"]].join(wanted_by, on="name")
    is_old = ~claims["is_enabled"] & rivals["count"].notna()
    if not is_old.any():
        return is_old, held
    has = _has(claims, held)
    is_same = (rivals["count"] == 1) & (rivals["of"] == claims["of"])
    yields = is_old & (~has | is_same)
    return yields, held[~_has(held, claims[yields])]


def _has(rows: pd.DataFrame, others: pd.DataFrame) -> pd.Series:
    """Whether these people have these names among others."""
    pairs = ["name", "person"]
    found = pd.MultiIndex.from_frame(rows[pairs]).isin(pd.MultiIndex.from_frame(others[pairs]))
    return pd.Series(found, index=rows.index)


def _only_one(names: pd.Series, which: pd.Series) -> pd.Series:
    """Whether of these rows exactly one has the row's name."""
    return names.map(names[which].value_counts()) == 1


def _others(
    refused: pd.DataFrame, wanted: pd.DataFrame, claims: pd.DataFrame, held: pd.DataFrame, index: pd.Index
) -> pd.Series:
    """Whom to name to each who is refused: who has the name, else the first of the others who want it."""
    named = pd.concat(
        [
            held[["name", "person", "user"]].assign(turn=0),
            claims[["name", "person", "user"]].assign(turn=np.where(claims["is_enabled"], 1, 2)),
        ]
    )
    pairs = refused[["name", "person"]].merge(named, on="name", suffixes=("", "_other"))
    pairs = pairs[pairs["person"] != pairs["person_other"]].sort_values(["person", "turn", "user"])
    first = pairs.drop_duplicates("person").set_index("person")["user"]
    other = wanted["person"].map(first)
    return pd.Series(other.to_numpy(dtype=np.float64), index=index).astype("Int64")
