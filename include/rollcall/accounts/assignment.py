"""Give each person a username, or the reason why there is none (rule 10)."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date

import numpy as np
import pandas as pd
import pyarrow as pa

from rollcall.accounts.person_matching import ROLES, match_persons, name_keys
from rollcall.accounts.positions import positions
from rollcall.accounts.usernames import check_manual_usernames, derive_usernames
from rollcall.model.username_text import looks_like_other_letters, username_keys, where_unusual
from rollcall.settings import District, PersonDecision

#: `username_field` of a username that a person decided on.
MANUAL = "by hand"

#: Rules of the findings about single usernames.
CLEANED, REFUSED, LOOK_ALIKE = "username_cleaned", "username_refused", "username_look_alike"


def current_decisions(district: District, users: pa.ChunkedArray, night: date) -> dict[int, PersonDecision]:
    """The decisions about one person that apply that night, by the user's position."""
    current = {key: one for key, one in district.people.items() if one.applies_on(night)}
    found = positions(pa.array(list(current), pa.string()), users)
    return {int(user): one for user, one in zip(found, current.values(), strict=True) if user >= 0}


def assign_usernames(
    district: District, candidates: pd.DataFrame, decisions: dict[int, PersonDecision], accounts: pd.DataFrame
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The username of each person with a role at a site, or the reason why there is none.

    :param candidates: the columns of `users` that usernames and persons depend on, and `user`, `role`, `is_enabled`,
        `is_primary`, `is_primary_org`, `birth_date`.
    :param decisions: the decisions about one person, by user.
    :param accounts: `user` and `username` of the published accounts; -1 for a user who is not in the roster.
    :returns: `user`, `person`, `is_enabled`, `username`, `username_field`, `reason` (null with a username), `detail`;
        and findings: `user`, `rule`, `detail`.
    """
    assigned = _derive_by_role(district, candidates)
    assigned["user"] = candidates["user"]
    assigned["is_enabled"] = candidates["is_enabled"]
    sources = {role: [one.field for one in district.username_sources(role)] for role in ROLES}
    assigned["person"], findings = match_persons(candidates, district.person_key, sources)
    _apply_manual_usernames(assigned, decisions)
    findings = pd.concat([findings, *_username_findings(assigned)], ignore_index=True)
    _share_within_person(assigned, candidates, accounts)
    assigned["reason"] = pd.Series(None, index=assigned.index, dtype="str")
    assigned["detail"] = pd.Series("", index=assigned.index, dtype="str")
    without = assigned["username"].isna()
    fails_pattern = assigned.loc[without, "fails_pattern"]
    assigned.loc[without, "reason"] = np.where(fails_pattern, "username_pattern", "no_username")
    _apply_exclusions(assigned, decisions)
    claimants = assigned[assigned["reason"].isna()]
    holders = accounts[accounts["user"].isin(assigned.loc[assigned["reason"] != "decided", "user"])]
    person_of = assigned.set_index("user")["person"]
    names = name_keys(candidates)
    claimants = claimants.assign(name=names[claimants.index])
    other = find_collisions(claimants, holders.assign(person=holders["user"].map(person_of))).dropna()
    sourced_ids = candidates.set_index("user")["sourced_id"]
    assigned.loc[other.index, "reason"] = "username_collision"
    assigned.loc[other.index, "detail"] = sourced_ids.reindex(other.to_numpy()).to_numpy()
    return assigned, findings


def _derive_by_role(district: District, candidates: pd.DataFrame) -> pd.DataFrame:
    student, staff = district.username_sources("student"), district.username_sources("staff")
    if student == staff:
        return derive_usernames(candidates, student)
    is_student = candidates["role"] == "student"
    derived = [derive_usernames(candidates[is_student], student), derive_usernames(candidates[~is_student], staff)]
    return pd.concat(derived).reindex(candidates.index)


def _apply_manual_usernames(assigned: pd.DataFrame, decisions: dict[int, PersonDecision]) -> None:
    manual = {user: one.username for user, one in decisions.items() if one.username is not None}
    is_manual = assigned["user"].isin(list(manual))
    if not is_manual.any():
        return
    checked = check_manual_usernames(assigned.loc[is_manual, "user"].map(manual).astype("str"))
    assigned.loc[is_manual, "username"] = checked["username"].mask(checked["is_refused"])
    assigned.loc[is_manual, "username_field"] = MANUAL
    assigned.loc[is_manual, "fails_pattern"] = checked["is_refused"]
    for column in ("cleaned", "refused"):
        field = pd.Series(MANUAL, index=checked.index, dtype="str").where(checked[f"is_{column}"])
        assigned.loc[is_manual, column] = field


def _username_findings(assigned: pd.DataFrame) -> Iterator[pd.DataFrame]:
    """Findings about usernames: cleaned, refused, or easy to mistake for another one."""
    for rule, column in ((CLEANED, "cleaned"), (REFUSED, "refused")):
        rows = assigned[assigned[column].notna()]
        yield pd.DataFrame({"user": rows["user"], "rule": rule, "detail": rows[column]})
    rows = assigned[where_unusual(assigned["username"], looks_like_other_letters)]
    yield pd.DataFrame({"user": rows["user"], "rule": LOOK_ALIKE, "detail": rows["username_field"]})


def _share_within_person(assigned: pd.DataFrame, candidates: pd.DataFrame, accounts: pd.DataFrame) -> None:
    """Give all records of one person the username of one record: one decided by hand, else the published one, else the
    one of an enabled record at the primary school.
    """
    is_shared = assigned["person"].duplicated(keep=False)
    if not is_shared.any():
        return
    records = assigned[is_shared]
    wanted = pd.MultiIndex.from_frame(
        pd.DataFrame({"user": records["person"], "name": username_keys(records["username"])})
    )
    person_of = assigned.set_index("user")["person"]
    published = pd.DataFrame({"user": accounts["user"].map(person_of), "name": username_keys(accounts["username"])})
    rank = (
        records["username"].isna(),
        records["username_field"] != MANUAL,
        ~wanted.isin(pd.MultiIndex.from_frame(published)),
        ~records["is_enabled"],
        ~candidates.loc[is_shared, "is_primary_org"],
        ~candidates.loc[is_shared, "is_primary"],
        candidates.loc[is_shared, "role"] != "staff",
        records["user"],
    )
    order = np.lexsort([np.asarray(key) for key in reversed(rank)])
    first = records.iloc[order].drop_duplicates("person").set_index("person")
    for column in ("username", "username_field"):
        assigned.loc[is_shared, column] = records["person"].map(first[column])


def _apply_exclusions(assigned: pd.DataFrame, decisions: dict[int, PersonDecision]) -> None:
    """A decision to leave out one record leaves out all records of the person."""
    reasons = {user: one.reason for user, one in decisions.items() if one.exclude}
    if not reasons:
        return
    people = assigned.loc[assigned["user"].isin(list(reasons)), ["user", "person"]].drop_duplicates("person")
    details = dict(zip(people["person"], people["user"].map(reasons), strict=True))
    is_excluded = assigned["person"].isin(list(details))
    assigned.loc[is_excluded, "reason"] = "decided"
    assigned.loc[is_excluded, "detail"] = assigned.loc[is_excluded, "person"].map(details)


def find_collisions(candidates: pd.DataFrame, holders: pd.DataFrame) -> pd.Series:
    """The candidates who get no username because another person has or wants the same one.

    Usernames are compared by key (`rollcall.model.username_text.username_key`), and between persons, not records. The
    person who has the username keeps it, even on a night on which they would give it up: a change of username is held
    until a person agrees, and until then the username is not free. If no one has it, no one gets it.

    Two people who exchange their usernames both get them. Those are reported as name changes and held one by one.

    A disabled record yields to an enabled one if no one has the username. If the disabled record has the username, it
    yields only to another record of the same name. An old record must not cost the current one its account.

    :param candidates: `user`, `person`, `username` wanted tonight, `is_enabled` and `name` (the name key of the
        record), one row per record, one username per person.
    :param holders: `user`, `person`, `username` of the published accounts of people who can have one tonight too.
    :returns: for each candidate, the user of the other person; null if there is no collision.
    """
    usernames = pd.concat([candidates["username"], holders["username"]], ignore_index=True)
    codes, _ = pd.factorize(username_keys(usernames))
    people = np.concatenate([candidates["person"].to_numpy(), holders["person"].to_numpy()])
    if not pd.DataFrame({"name": codes, "person": people}).drop_duplicates()["name"].duplicated().any():
        return pd.Series(None, index=candidates.index, dtype="Int64")  # as on most nights
    wanted = pd.DataFrame({"name": codes[: len(candidates)], "person": candidates["person"].to_numpy()})
    wanted["user"] = candidates["user"].to_numpy()
    held = pd.DataFrame({"name": codes[len(candidates) :], "person": holders["person"].to_numpy()})
    held["user"] = holders["user"].to_numpy()
    held = held.drop_duplicates(["name", "person"])
    wanted["is_enabled"] = candidates["is_enabled"].groupby(candidates["person"]).transform("any").to_numpy()
    wanted["person_name"] = candidates["name"].to_numpy()
    all_claims = wanted.drop_duplicates("person")
    yields, held = _yield_to_enabled(all_claims, held)
    claims = all_claims[~yields]
    is_held = claims["name"].isin(held["name"])
    claims = claims[is_held | claims["name"].duplicated(keep=False)]
    if claims.empty and not yields.any():
        return pd.Series(None, index=candidates.index, dtype="Int64")
    is_holder = _are_pairs_in(claims, held)
    is_rename = claims["person"].isin(held["person"]) & ~is_holder
    wanted_by_holder = claims["name"].isin(claims.loc[is_holder, "name"])
    keeps = is_holder & _is_single(claims["name"], is_holder)
    exchanges = is_rename & _is_single(claims["name"], is_rename) & is_held[claims.index] & ~wanted_by_holder
    refused = pd.concat([claims[~(keeps | exchanges)], all_claims[yields]])
    contested = all_claims[all_claims["name"].isin(refused["name"])]
    return _name_opponents(refused, wanted, contested, held, candidates.index)


def _yield_to_enabled(claims: pd.DataFrame, held: pd.DataFrame) -> tuple[pd.Series, pd.DataFrame]:
    """The disabled people who yield their username to an enabled one, and the holders without them."""
    current = claims[claims["is_enabled"]]
    wanted_by = current.groupby("name").agg(count=("person", "size"), person_name=("person_name", "first"))
    rivals = claims[["name"]].join(wanted_by, on="name")
    is_old = ~claims["is_enabled"] & rivals["count"].notna()
    if not is_old.any():
        return is_old, held
    is_holder = _are_pairs_in(claims, held)
    is_same_name = (rivals["count"] == 1) & (rivals["person_name"] == claims["person_name"])
    yields = is_old & (~is_holder | is_same_name)
    return yields, held[~_are_pairs_in(held, claims[yields])]


def _are_pairs_in(rows: pd.DataFrame, others: pd.DataFrame) -> pd.Series:
    """Whether each row's pair of username and person is among the others."""
    pairs = ["name", "person"]
    found = pd.MultiIndex.from_frame(rows[pairs]).isin(pd.MultiIndex.from_frame(others[pairs]))
    return pd.Series(found, index=rows.index)


def _is_single(names: pd.Series, which: pd.Series) -> pd.Series:
    """Whether exactly one of the selected rows has each row's username."""
    return names.map(names[which].value_counts()) == 1


def _name_opponents(
    refused: pd.DataFrame, wanted: pd.DataFrame, claims: pd.DataFrame, held: pd.DataFrame, index: pd.Index
) -> pd.Series:
    """The user to report to each refused candidate: the holder, else the first other person who wants the username."""
    opponents = pd.concat(
        [
            held[["name", "person", "user"]].assign(rank=0),
            claims[["name", "person", "user"]].assign(rank=np.where(claims["is_enabled"], 1, 2)),
        ]
    )
    pairs = refused[["name", "person"]].merge(opponents, on="name", suffixes=("", "_other"))
    pairs = pairs[pairs["person"] != pairs["person_other"]].sort_values(["person", "rank", "user"])
    first = pairs.drop_duplicates("person").set_index("person")["user"]
    other = wanted["person"].map(first)
    return pd.Series(other.to_numpy(dtype=np.float64), index=index).astype("Int64")
