"""Match the records of one person: records with the same key and name that do not contradict each other.

Ed-Fi sends one record per school, Infinite Campus 1.1 one per role. A shared number or email address proves one person
only if nothing contradicts it: one person has one birth date, one username, one email address, and one grade. Records
that contradict each other stay separate, and so do records that share a placeholder such as 000.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from itertools import combinations
from typing import Any, Literal

import msgspec
import pandas as pd

from rollcall.accounts.usernames import field_values
from rollcall.model.keys import join_series
from rollcall.model.username_text import username_keys

#: Rules of the findings about people with one key.
CONTRADICTED = "person_key_contradicted"
PLACEHOLDER = "person_key_placeholder"

#: Placeholders that people type into required fields.
_NO_VALUE = r"(?:[0x?._\-\s]*|-1|9{5,}|n[./]?a\.?|nil|nan|none|null|unknown|undefined|tbd|test|pending|nobody)"
_NO_EMAIL = rf"(?:[^@]*|{_NO_VALUE}@.*|no[-_.]?(?:e?[-_.]?mail|reply)@.*)"

#: A number or email address under this many names does not identify a person. A family may share an address.
_MANY_NAMES = {"identifier": 3, "email": 6}

#: The most contradicting records of one key and name that are compared one by one.
_MANY_RECORDS = 50

#: Fields that are always compared, or that differ in every record.
_COMPARED = ("email", "username", "identifier", "sourcedId")

Findings = pd.DataFrame
Role = Literal["student", "staff"]
ROLES: tuple[Role, ...] = ("student", "staff")


def match_persons(
    users: pd.DataFrame, key: str, sources: Mapping[Role, Sequence[str]] | None = None
) -> tuple[pd.Series, Findings]:
    """The person of each record, as the user of the person's first record, and findings about shared keys.

    By `identifier`, records with the same number, name, and role are one person, because students and staff may both be
    numbered from one. By `email`, the role does not matter.

    :param users: `user`, `sourced_id`, `given_name`, `family_name`, `identifier`, `email`, `username`, `grades`,
        `role` (`student` or `staff`) and, if known, `birth_date`.
    :param key: `identifier`, `email`, or `sourcedId`, by which each record is its own person.
    :param sources: by role, the fields that usernames come from.
    :returns: the findings are `user`, `rule`, and `detail`, which begins with the sourcedId of another record.
    """
    found = pd.DataFrame({"user": [], "rule": [], "detail": []}).astype({"user": "int64"})
    if key == "sourcedId":
        return users["user"], found
    value = users["identifier"].str.strip() if key == "identifier" else username_keys(users["email"])
    value = value.where(value.str.len() > 0)
    is_shared = value.notna() & value.duplicated(keep=False)
    if not is_shared.any():
        return users["user"], found
    shared = users[is_shared].assign(key=value[is_shared]).sort_values("user").reset_index(drop=True)
    shared["name"] = name_keys(shared)
    within = ["key", "role"] if key == "identifier" else ["key"]
    names = shared.groupby(within)["name"].transform("nunique")
    pattern = _NO_VALUE if key == "identifier" else _NO_EMAIL
    is_placeholder = shared["key"].str.lower().str.fullmatch(pattern).astype(bool) | (names >= _MANY_NAMES[key])
    group = shared.groupby([*within, "name"]).ngroup()
    person = shared["user"].groupby(group).transform("min").where(~is_placeholder, shared["user"])
    notes = [*_placeholders(shared, within, is_placeholder)]
    if key == "identifier":
        notes += _other_names(shared[~is_placeholder & (names > 1)], within)
    unique = _unique_values(shared, key, sources or {"student": (), "staff": ()})
    contradicted = pd.Series(False, index=shared.index)
    for values in unique.values():
        contradicted |= values.groupby(group).transform("nunique") > 1
    contradicted &= ~is_placeholder
    if contradicted.any():
        split, more = _split_groups(shared[contradicted], group[contradicted], unique)
        person[contradicted] = split
        notes += more
    first = person.astype("int64").set_axis(shared["user"]).reindex(users["user"]).set_axis(users.index)
    found = pd.DataFrame(notes, columns=["user", "rule", "detail"]).drop_duplicates(["user", "rule"])
    return first.fillna(users["user"]).astype("int64"), found.astype({"user": "int64"})


Note = tuple[int, str, str]


def name_keys(users: pd.DataFrame) -> pd.Series:
    """Given and family name as one key for comparison."""
    given, family = (username_keys(users[name].fillna("")) for name in ("given_name", "family_name"))
    return join_series(given, family)


def _placeholders(shared: pd.DataFrame, within: list[str], is_placeholder: pd.Series) -> Iterator[Note]:
    rows = shared[is_placeholder]
    for _, theirs in rows.groupby(within):
        if len(theirs) > 1:
            first, second = theirs["sourced_id"].iloc[:2]
            for user, own in zip(theirs["user"], theirs["sourced_id"], strict=True):
                yield user, PLACEHOLDER, f"{second if own == first else first}: {len(theirs):,} records share it"


def _other_names(shared: pd.DataFrame, within: list[str]) -> Iterator[Note]:
    for _, theirs in shared.groupby(within):
        for user, name in zip(theirs["user"], theirs["name"], strict=True):
            other = theirs.loc[theirs["name"] != name, "sourced_id"].iloc[0]
            yield user, CONTRADICTED, f"{other}: name"


def _unique_values(shared: pd.DataFrame, key: str, sources: Mapping[Role, Sequence[str]]) -> dict[str, pd.Series]:
    """The values of which a person has one, by label; null if the record has none."""
    unique = {"username": _provided(username_keys(shared["username"]), _NO_VALUE)}
    if "birth_date" in shared:
        unique["birth date"] = shared["birth_date"]
    is_student = shared["role"] == "student"
    unique["grade"] = shared["grades"].map(_grades, na_action="ignore").where(is_student)
    if key == "identifier":
        unique["email address"] = _provided(username_keys(shared["email"]), _NO_EMAIL)
    for role in ROLES:
        is_role = shared["role"] == role
        if key == "email":  # a person may have one number as a student and another as staff
            unique[f"number ({role})"] = _provided(shared["identifier"].str.strip(), _NO_VALUE).where(is_role)
        for field in sources[role]:
            if field not in _COMPARED:
                values = _provided(username_keys(field_values(shared, field)), _NO_VALUE)
                unique[f"{field} ({role})"] = values.where(is_role)
    return unique


def _provided(values: pd.Series, no_value: str) -> pd.Series:
    return values.mask(values.str.lower().str.fullmatch(no_value).fillna(True).astype(bool))


@lru_cache(maxsize=1024)
def _grades(text: str) -> str | None:
    """A record's grades, with `9` and `09` as the same grade; None if it has none."""
    made = msgspec.json.decode(text)
    grades = {str(grade).strip().lower().lstrip("0") or "0" for grade in made} if isinstance(made, list) else set()
    return " ".join(sorted(grades)) or None


def _split_groups(
    rows: pd.DataFrame, group: pd.Series, unique: Mapping[str, pd.Series]
) -> tuple[list[int], list[Note]]:
    """The person of each record in groups with contradictions, and the reasons."""
    users, ids = rows["user"].tolist(), rows["sourced_id"].tolist()
    values_by_label = {
        label: [None if pd.isna(value) else value for value in values[rows.index]] for label, values in unique.items()
    }
    persons, notes = list(users), []
    for places in group.reset_index(drop=True).groupby(group.to_numpy()).indices.values():
        person, contradictions = _split_group(list(map(int, places)), ids, values_by_label)
        for place, first in person.items():
            persons[place] = users[first]
        notes += [(users[place], CONTRADICTED, detail) for place, detail in contradictions.items()]
    return persons, notes


def _split_group(
    places: list[int], ids: list[str], values: Mapping[str, list[Any]]
) -> tuple[dict[int, int], dict[int, str]]:
    """The records of one key and name that are one person although not all agree, and the contradictions of the others.

    Records that agree with each other are one person, unless one of them agrees with records that contradict each
    other.
    """
    if len(places) > _MANY_RECORDS:
        detail = f"{len(places):,} records with one name share it"
        return {}, {place: f"{ids[places[place == places[0]]]}: {detail}" for place in places}
    person: dict[int, int] = {}
    contradictions: dict[int, str] = {}
    differences = {pair: _differences(values, *pair) for pair in combinations(places, 2)}
    for (one, other), label in differences.items():
        if label:
            contradictions.setdefault(one, f"{ids[other]}: {label}")
            contradictions.setdefault(other, f"{ids[one]}: {label}")
    for together in _connected(places, [pair for pair, label in differences.items() if not label]):
        if not any(differences[pair] for pair in combinations(together, 2)):
            person |= dict.fromkeys(together, together[0])
        else:
            for place in together:
                other = next(one for one in together if one != place)
                contradictions.setdefault(place, f"{ids[other]}: it is not clear whose record this is")
    return person, contradictions


def _differences(values: Mapping[str, list[Any]], one: int, other: int) -> str:
    """The labels of the values in which two records differ; empty if they do not contradict each other."""
    pairs = ((label, known[one], known[other]) for label, known in values.items())
    return ", ".join(label for label, mine, theirs in pairs if None not in (mine, theirs) and mine != theirs)


def _connected(places: list[int], pairs: list[tuple[int, int]]) -> list[list[int]]:
    """Groups of places that are connected by pairs, directly or through others, each in order."""
    lowest = {place: place for place in places}
    for one, other in pairs:
        keep, drop = sorted((lowest[one], lowest[other]))
        lowest = {place: keep if first == drop else first for place, first in lowest.items()}
    return [[place for place in places if lowest[place] == first] for first in sorted(set(lowest.values()))]
