"""Which records are one person, and the one username a person has."""

from __future__ import annotations

from datetime import date

import numpy as np
import pandas as pd
import pyarrow as pa

from include.mapping.collisions import collisions
from include.mapping.positions import positions
from include.mapping.usernames import usernames
from include.settings import District, PersonDecision

#: Where a username comes from that somebody decided about one person.
BY_HAND = "by hand"


def decisions(district: District, users: pa.ChunkedArray, night: date) -> dict[int, PersonDecision]:
    """The decisions about one person that hold that night, by the user's position."""
    holding = {key: one for key, one in district.people.items() if one.holds_on(night)}
    found = positions(pa.array(list(holding), pa.string()), users)
    return {int(user): one for user, one in zip(found, holding.values(), strict=True) if user >= 0}


def person_ids(users: pd.DataFrame, key: str) -> pd.Series:
    """A person per record, as the user of its first one: records with the same key, name and role are one (Ed-Fi sends
    one per school, Campus 1.1 one per role); without a key a record is a person of its own.

    :param users: `user`, `identifier`, `given_name`, `family_name`, and `role`, what the person becomes.
    :param key: `identifier` or `sourcedId`.
    """
    if key == "sourcedId":
        return users["user"]
    identifier = users["identifier"].str.strip()
    several = (identifier.str.len() > 0) & identifier.duplicated(keep=False)
    shared = users[several]
    names = [shared[name].fillna("").str.strip().str.lower() for name in ("given_name", "family_name")]
    first = shared["user"].groupby([identifier[several], *names, shared["role"]]).transform("min")
    return first.reindex(users.index).fillna(users["user"]).astype("int64")


def named(
    district: District, candidates: pd.DataFrame, decided: dict[int, PersonDecision], accounts: pd.DataFrame
) -> pd.DataFrame:
    """The username of everybody who has a role at a site, or the reason why there is none.

    :param candidates: the columns of `users` that usernames come from and that make a person, and `user`, `role`,
        `is_primary`, `is_primary_org`.
    :param decided: the decisions about one person, by user.
    :param accounts: `user` and `username` of those readers have, -1 for a user who is not in the roster.
    :returns: `user`, `person`, `username`, `username_field`, `reason` (null with a username), `detail`.
    """
    made = _from_sources(district, candidates)
    made["user"] = candidates["user"]
    made["person"] = person_ids(candidates, district.person_key)
    _by_hand(made, decided)
    _one_per_person(made, candidates, accounts)
    made["reason"] = pd.Series(None, index=made.index, dtype="str")
    made["detail"] = pd.Series("", index=made.index, dtype="str")
    without = made["username"].isna()
    made.loc[without, "reason"] = np.where(made.loc[without, "fails_pattern"], "username_pattern", "no_username")
    _left_out(made, decided)
    asking = made[made["reason"].isna()]
    holders = accounts[accounts["user"].isin(made.loc[made["reason"] != "decided", "user"])]
    persons = made.set_index("user")["person"]
    other = collisions(asking, holders.assign(person=holders["user"].map(persons))).dropna()
    made.loc[other.index, "reason"] = "username_collision"
    made.loc[other.index, "detail"] = candidates.set_index("user")["sourced_id"].reindex(other.to_numpy()).to_numpy()
    return made


def _from_sources(district: District, candidates: pd.DataFrame) -> pd.DataFrame:
    student, staff = district.username_sources("student"), district.username_sources("staff")
    if student == staff:
        return usernames(candidates, student)
    is_student = candidates["role"] == "student"
    made = [usernames(candidates[is_student], student), usernames(candidates[~is_student], staff)]
    return pd.concat(made).reindex(candidates.index)


def _by_hand(made: pd.DataFrame, decided: dict[int, PersonDecision]) -> None:
    given = {user: one.username for user, one in decided.items() if one.username is not None}
    by_hand = made["user"].isin(list(given))
    made.loc[by_hand, "username"] = made.loc[by_hand, "user"].map(given)
    made.loc[by_hand, "username_field"] = BY_HAND


def _one_per_person(made: pd.DataFrame, candidates: pd.DataFrame, accounts: pd.DataFrame) -> None:
    """Records of one person take the username of one of them: that decided by hand, else the one the person has, else
    that of the record at the primary school."""
    several = made["person"].duplicated(keep=False)
    if not several.any():
        return
    records = made[several]
    has = pd.MultiIndex.from_frame(pd.DataFrame({"user": records["person"], "name": records["username"].str.lower()}))
    person_of = made.set_index("user")["person"]
    live = pd.DataFrame({"user": accounts["user"].map(person_of), "name": accounts["username"].str.lower()})
    rank = (
        records["username"].isna(),
        records["username_field"] != BY_HAND,
        ~has.isin(pd.MultiIndex.from_frame(live)),
        ~candidates.loc[several, "is_primary_org"],
        ~candidates.loc[several, "is_primary"],
        records["user"],
    )
    order = np.lexsort([np.asarray(key) for key in reversed(rank)])
    first = records.iloc[order].drop_duplicates("person").set_index("person")
    for column in ("username", "username_field"):
        made.loc[several, column] = records["person"].map(first[column])


def _left_out(made: pd.DataFrame, decided: dict[int, PersonDecision]) -> None:
    """Whoever is left out by a decision is so with every record."""
    because = {user: one.because for user, one in decided.items() if one.leave_out}
    people = made.loc[made["user"].isin(list(because)), ["user", "person"]].drop_duplicates("person")
    whys = dict(zip(people["person"], people["user"].map(because), strict=True))
    theirs = made["person"].isin(list(whys))
    made.loc[theirs, "reason"] = "decided"
    made.loc[theirs, "detail"] = made.loc[theirs, "person"].map(whys)
