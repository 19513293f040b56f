"""Which records are one person, and the one username a person has."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from rollcall.accounts import person_matching as persons
from rollcall.accounts.usernames import check_manual_usernames, derive_usernames, find_collisions
from rollcall.model.username_text import looks_like_other_letters, username_keys, where_unusual
from rollcall.settings import District, PersonDecision

# Texts as numbers: where a value stands in a list, because numbers sort and join ten times faster than texts.
#
# Everybody in mapping is named by a position among the users in the order of their sourcedIds, so that an order by
# position is an order by sourcedId whatever the order in which the rows came.

Ints = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]


def positions(values: pa.Array | pa.ChunkedArray, among: pa.Array | pa.ChunkedArray) -> Ints:
    """Where each value stands among others, which are distinct; -1 for one that is not there or null."""
    found = pc.index_in(values, value_set=among, skip_nulls=True)
    return np.asarray(pc.fill_null(found, -1).to_numpy(), dtype=np.int64)


def codes(values: pa.Array | pa.ChunkedArray) -> tuple[Ints, list[str]]:
    """Each value as its place among the distinct values, which are given in their order; -1 for null."""
    distinct = pc.unique(values.drop_null()).sort()
    return positions(values, distinct), distinct.to_pylist()


def flags(values: pa.Array | pa.ChunkedArray) -> Flags:
    """Booleans; a null is no."""
    return np.asarray(pc.fill_null(values, False).to_numpy(zero_copy_only=False), dtype=np.bool_)


def starts_of(keys: Ints) -> Ints:
    """Where each run of equal keys begins."""
    return np.flatnonzero(np.concatenate([[True], keys[1:] != keys[:-1]])) if len(keys) else keys[:0]


def distinct_lists(groups: Ints, members: Ints, texts: pa.Array) -> tuple[Ints, pa.Array]:
    """Per group the texts of its distinct members, in their order, as the text of a JSON list.

    :param groups: a number per row, not below 0; `members` positions in `texts`, which are JSON already.
    :returns: the groups, ascending, and their lists.
    """
    group, member = np.divmod(np.unique(groups * len(texts) + members), max(len(texts), 1))
    first = starts_of(group)
    offsets = pa.array(np.append(first, len(group)), pa.int32())
    lists = pa.ListArray.from_arrays(offsets, texts.take(pa.array(member)))
    return group[first], pc.binary_join_element_wise("[", pc.binary_join(lists, ","), "]", "")


#: Where a username comes from that somebody decided about one person.
MANUAL = "by hand"


def current_decisions(district: District, users: pa.ChunkedArray, night: date) -> dict[int, PersonDecision]:
    """The decisions about one person that hold that night, by the user's position."""
    holding = {key: one for key, one in district.people.items() if one.holds_on(night)}
    found = positions(pa.array(list(holding), pa.string()), users)
    return {int(user): one for user, one in zip(found, holding.values(), strict=True) if user >= 0}


#: Rules of what is found about single usernames.
CLEANED, REFUSED, LOOK_ALIKE = "username_cleaned", "username_refused", "username_look_alike"


def assign_usernames(
    district: District, candidates: pd.DataFrame, decided: dict[int, PersonDecision], accounts: pd.DataFrame
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The username of everybody who has a role at a site, or the reason why there is none.

    :param candidates: the columns of `users` that usernames come from and that make a person, and `user`, `role`,
        `is_enabled`, `is_primary`, `is_primary_org`, `birth_date`.
    :param decided: the decisions about one person, by user.
    :param accounts: `user` and `username` of those readers have, -1 for a user who is not in the roster.
    :returns: `user`, `person`, `is_enabled`, `username`, `username_field`, `reason` (null with a username), `detail`;
        and what is found about people: `user`, `rule`, `detail`.
    """
    made = _from_sources(district, candidates)
    made["user"] = candidates["user"]
    made["is_enabled"] = candidates["is_enabled"]
    sources = {role: [one.field for one in district.username_sources(role)] for role in persons.ROLES}
    made["person"], found = persons.match_persons(candidates, district.person_key, sources)
    _apply_manual_usernames(made, decided)
    found = pd.concat([found, *_username_findings(made)], ignore_index=True)
    _share_within_person(made, candidates, accounts)
    made["reason"] = pd.Series(None, index=made.index, dtype="str")
    made["detail"] = pd.Series("", index=made.index, dtype="str")
    without = made["username"].isna()
    made.loc[without, "reason"] = np.where(made.loc[without, "fails_pattern"], "username_pattern", "no_username")
    _apply_exclusions(made, decided)
    asking = made[made["reason"].isna()]
    holders = accounts[accounts["user"].isin(made.loc[made["reason"] != "decided", "user"])]
    person_of = made.set_index("user")["person"]
    name = persons.name_keys(candidates)
    asking = asking.assign(name=name[asking.index])
    other = find_collisions(asking, holders.assign(person=holders["user"].map(person_of))).dropna()
    made.loc[other.index, "reason"] = "username_collision"
    made.loc[other.index, "detail"] = candidates.set_index("user")["sourced_id"].reindex(other.to_numpy()).to_numpy()
    return made, found


def _from_sources(district: District, candidates: pd.DataFrame) -> pd.DataFrame:
    student, staff = district.username_sources("student"), district.username_sources("staff")
    if student == staff:
        return derive_usernames(candidates, student)
    is_student = candidates["role"] == "student"
    made = [derive_usernames(candidates[is_student], student), derive_usernames(candidates[~is_student], staff)]
    return pd.concat(made).reindex(candidates.index)


def _apply_manual_usernames(made: pd.DataFrame, decided: dict[int, PersonDecision]) -> None:
    given = {user: one.username for user, one in decided.items() if one.username is not None}
    is_given = made["user"].isin(list(given))
    if not is_given.any():
        return
    name = check_manual_usernames(made.loc[is_given, "user"].map(given).astype("str"))
    made.loc[is_given, "username"] = name["username"].mask(name["is_refused"])
    made.loc[is_given, "username_field"] = MANUAL
    made.loc[is_given, "fails_pattern"] = name["is_refused"]
    for column in ("cleaned", "refused"):
        made.loc[is_given, column] = pd.Series(MANUAL, index=name.index, dtype="str").where(name[f"is_{column}"])


def _username_findings(made: pd.DataFrame) -> Iterator[pd.DataFrame]:
    """What is found about usernames: what was taken away or refused, and what can be taken for another."""
    for rule, column in ((CLEANED, "cleaned"), (REFUSED, "refused")):
        rows = made[made[column].notna()]
        yield pd.DataFrame({"user": rows["user"], "rule": rule, "detail": rows[column]})
    rows = made[where_unusual(made["username"], looks_like_other_letters)]
    yield pd.DataFrame({"user": rows["user"], "rule": LOOK_ALIKE, "detail": rows["username_field"]})


def _share_within_person(made: pd.DataFrame, candidates: pd.DataFrame, accounts: pd.DataFrame) -> None:
    """Records of one person take the username of one of them: that decided by hand, else the one the person has, else
    that of a record that is not disabled, at the primary school."""
    several = made["person"].duplicated(keep=False)
    if not several.any():
        return
    records = made[several]
    has = pd.MultiIndex.from_frame(
        pd.DataFrame({"user": records["person"], "name": username_keys(records["username"])})
    )
    person_of = made.set_index("user")["person"]
    live = pd.DataFrame({"user": accounts["user"].map(person_of), "name": username_keys(accounts["username"])})
    rank = (
        records["username"].isna(),
        records["username_field"] != MANUAL,
        ~has.isin(pd.MultiIndex.from_frame(live)),
        ~records["is_enabled"],
        ~candidates.loc[several, "is_primary_org"],
        ~candidates.loc[several, "is_primary"],
        candidates.loc[several, "role"] != "staff",
        records["user"],
    )
    order = np.lexsort([np.asarray(key) for key in reversed(rank)])
    first = records.iloc[order].drop_duplicates("person").set_index("person")
    for column in ("username", "username_field"):
        made.loc[several, column] = records["person"].map(first[column])


def _apply_exclusions(made: pd.DataFrame, decided: dict[int, PersonDecision]) -> None:
    """Whoever is left out by a decision is so with every record."""
    because = {user: one.reason for user, one in decided.items() if one.exclude}
    people = made.loc[made["user"].isin(list(because)), ["user", "person"]].drop_duplicates("person")
    whys = dict(zip(people["person"], people["user"].map(because), strict=True))
    theirs = made["person"].isin(list(whys))
    made.loc[theirs, "reason"] = "decided"
    made.loc[theirs, "detail"] = made.loc[theirs, "person"].map(whys)
