"""Which records are one person: those with the same key and name that do not contradict each other.

Ed-Fi sends a record per school, Infinite Campus 1.1 one per role. A shared number or e-mail address proves one person
only as long as nothing speaks against it: one person has one birth date, one username, one e-mail address and one
grade. Records that contradict each other stay apart, and so do all that share a placeholder such as 000.
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

#: Rules of what is found about people with one key.
CONTRADICTED = "person_key_contradicted"
PLACEHOLDER = "person_key_placeholder"

#: What is typed where there is nothing to type.
_NO_VALUE = r"(?:[0x?._\-\s]*|-1|9{5,}|n[./]?a\.?|nil|nan|none|null|unknown|undefined|tbd|test|pending|nobody)"
_NO_EMAIL = rf"(?:[^@]*|{_NO_VALUE}@.*|no[-_.]?(?:e?[-_.]?mail|reply)@.*)"

#: A number under so many different names, or an e-mail address under so many, says nothing about who somebody is.
#: A family may share an address.
_MANY_NAMES = {"identifier": 3, "email": 6}

#: Records of one key and name that contradict each other are compared one by one up to so many.
_MANY_RECORDS = 50

#: Fields that are compared anyway, or that are another one in every record.
_COMPARED = ("email", "username", "identifier", "sourcedId")

Findings = pd.DataFrame
Role = Literal["student", "staff"]
ROLES: tuple[Role, ...] = ("student", "staff")


def match_persons(
    users: pd.DataFrame, key: str, sources: Mapping[Role, Sequence[str]] | None = None
) -> tuple[pd.Series, Findings]:
    """A person per record, as the user of its first one, and what is found about shared keys.

    By `identifier` records with the same number, name and role are one person, for students and staff may both count
    from one. By `email` the role does not matter.

    :param users: `user`, `sourced_id`, `given_name`, `family_name`, `identifier`, `email`, `username`, `grades`,
        `role` (what the person becomes) and, where they are known, `birth_date`.
    :param key: `identifier`, `email` or `sourcedId`, by which every record is a person of its own.
    :param sources: by role the fields usernames come from.
    :returns: the second is `user`, `rule`, `detail`, which begins with the sourcedId of another record.
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
    own = _personal_values(shared, key, sources or {"student": (), "staff": ()})
    contradicted = pd.Series(False, index=shared.index)
    for values in own.values():
        contradicted |= values.groupby(group).transform("nunique") > 1
    contradicted &= ~is_placeholder
    if contradicted.any():
        apart, told = _split_groups(shared[contradicted], group[contradicted], own)
        person[contradicted] = apart
        notes += told
    first = person.astype("int64").set_axis(shared["user"]).reindex(users["user"]).set_axis(users.index)
    found = pd.DataFrame(notes, columns=["user", "rule", "detail"]).drop_duplicates(["user", "rule"])
    return first.fillna(users["user"]).astype("int64"), found.astype({"user": "int64"})


Note = tuple[int, str, str]


def name_keys(users: pd.DataFrame) -> pd.Series:
    """Given and family name as they are compared."""
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


def _personal_values(shared: pd.DataFrame, key: str, sources: Mapping[Role, Sequence[str]]) -> dict[str, pd.Series]:
    """What one person has once, by what it is called; null where a record does not say it."""
    own = {"username": _provided(username_keys(shared["username"]), _NO_VALUE)}
    if "birth_date" in shared:
        own["birth date"] = shared["birth_date"]
    is_student = shared["role"] == "student"
    own["grade"] = shared["grades"].map(_grades, na_action="ignore").where(is_student)
    if key == "identifier":
        own["e-mail address"] = _provided(username_keys(shared["email"]), _NO_EMAIL)
    for role in ROLES:
        is_role = shared["role"] == role
        if key == "email":  # a person may have a number as a student and another one as staff
            own[f"number ({role})"] = _provided(shared["identifier"].str.strip(), _NO_VALUE).where(is_role)
        for field in sources[role]:
            if field not in _COMPARED:
                made = _provided(username_keys(field_values(shared, field)), _NO_VALUE)
                own[f"{field} ({role})"] = made.where(is_role)
    return own


def _provided(values: pd.Series, no_value: str) -> pd.Series:
    return values.mask(values.str.lower().str.fullmatch(no_value).fillna(True).astype(bool))


@lru_cache(maxsize=1024)
def _grades(text: str) -> str | None:
    """A record's grades, `9` and `09` as the same one; None where there is none."""
    made = msgspec.json.decode(text)
    grades = {str(grade).strip().lower().lstrip("0") or "0" for grade in made} if isinstance(made, list) else set()
    return " ".join(sorted(grades)) or None


def _split_groups(rows: pd.DataFrame, group: pd.Series, own: Mapping[str, pd.Series]) -> tuple[list[int], list[Note]]:
    """Records of groups that contradict themselves: the person of each, and why."""
    users, ids = rows["user"].tolist(), rows["sourced_id"].tolist()
    said = {what: [None if pd.isna(value) else value for value in values[rows.index]] for what, values in own.items()}
    apart, notes = list(users), []
    for places in group.reset_index(drop=True).groupby(group.to_numpy()).indices.values():
        person, against = _split_group(list(map(int, places)), ids, said)
        for place, first in person.items():
            apart[place] = users[first]
        notes += [(users[place], CONTRADICTED, detail) for place, detail in against.items()]
    return apart, notes


def _split_group(
    places: list[int], ids: list[str], said: Mapping[str, list[Any]]
) -> tuple[dict[int, int], dict[int, str]]:
    """Records of one key and name, not all of which agree: which are one person all the same, and what speaks against
    the others.

    Those that agree with each other are one, unless one of them agrees with records that contradict each other.
    """
    if len(places) > _MANY_RECORDS:
        told = f"{len(places):,} records of one name share it"
        return {}, {place: f"{ids[places[place == places[0]]]}: {told}" for place in places}
    person: dict[int, int] = {}
    against: dict[int, str] = {}
    differs = {pair: _differences(said, *pair) for pair in combinations(places, 2)}
    for (one, other), what in differs.items():
        if what:
            against.setdefault(one, f"{ids[other]}: {what}")
            against.setdefault(other, f"{ids[one]}: {what}")
    for together in _connected(places, [pair for pair, what in differs.items() if not what]):
        if not any(differs[pair] for pair in combinations(together, 2)):
            person |= dict.fromkeys(together, together[0])
        else:
            for place in together:
                other = next(one for one in together if one != place)
                against.setdefault(place, f"{ids[other]}: it is not clear whose record this is")
    return person, against


def _differences(said: Mapping[str, list[Any]], one: int, other: int) -> str:
    """What two records say differently, in words; empty where they do not contradict each other."""
    pairs = ((what, known[one], known[other]) for what, known in said.items())
    return ", ".join(what for what, mine, theirs in pairs if None not in (mine, theirs) and mine != theirs)


def _connected(places: list[int], pairs: list[tuple[int, int]]) -> list[list[int]]:
    """Places joined by pairs, directly or through others; each in order."""
    lowest = {place: place for place in places}
    for one, other in pairs:
        keep, drop = sorted((lowest[one], lowest[other]))
        lowest = {place: keep if first == drop else first for place, first in lowest.items()}
    return [[place for place in places if lowest[place] == first] for first in sorted(set(lowest.values()))]
