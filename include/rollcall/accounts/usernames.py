"""Usernames from ordered sources, each with its own transforms; never guessed (rule 10)."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from typing import Any

import msgspec
import numpy as np
import pandas as pd
import pyarrow as pa

from rollcall.model.no_value import is_no_value, without_no_value
from rollcall.model.username_text import (
    changed_where_unusual,
    is_refused,
    to_ascii,
    username_key,
    username_keys,
    visible,
    visible_texts,
    where_unusual,
)
from rollcall.settings import District, UsernameSource

#: Characters of a username: more do not fit an index, and no system signs anybody in by them.
MOST_CHARACTERS = 255

#: What OneRoster calls a field and what the column is called; of `userIds.<type>` and its like what is before the dot.
_COLUMNS = {
    "email": "email",
    "username": "username",
    "sourcedId": "sourced_id",
    "identifier": "identifier",
    "userIds": "user_ids",
    "userProfiles": "user_profiles",
    "metadata": "metadata",
}


def source_columns(district: District) -> list[str]:
    """The columns of `users` that the district's usernames come from."""
    sources = [*district.username_sources("student"), *district.username_sources("staff")]
    return sorted({_COLUMNS[source.field.partition(".")[0]] for source in sources})


def keys_from_any_source(district: District, users: pa.Table) -> set[str]:
    """The key of every name that any of the district's sources gives for these users, whatever it refuses.

    :param users: their columns of `source_columns`.
    """
    frame = users.to_pandas(types_mapper=as_text)
    sources = [*district.username_sources("student"), *district.username_sources("staff")]
    names = (_derive_from_source(field_values(frame, source.field), source)["name"].dropna() for source in sources)
    return {username_key(name) for made in names for name in made if name}


def derive_usernames(users: pd.DataFrame, sources: list[UsernameSource]) -> pd.DataFrame:
    """Each user's username and where it came from.

    :param users: columns of the table `users`.
    :returns: on the users' index `username`, `username_field` (both null where no source had anything),
        `fails_pattern` (a source had something that its pattern refuses, that no username may hold or that is longer
        than a username can be; the next source is not tried, because it was not empty), and the fields in which
        something invisible was taken away, `cleaned`, or something was found that no username may hold, `refused`.
    """
    texts = ("username", "username_field", "cleaned", "refused")
    made = pd.DataFrame({name: pd.Series(None, index=users.index, dtype="str") for name in texts})
    made["fails_pattern"] = False
    for source in sources:
        value = _derive_from_source(field_values(users, source.field), source)
        tried = made["username"].isna() & ~made["fails_pattern"]
        made["cleaned"] = made["cleaned"].mask(tried & value["is_cleaned"] & made["cleaned"].isna(), source.field)
        take = tried & value["name"].notna()
        refused = take & value["is_refused"]
        made["refused"] = made["refused"].mask(refused, source.field)
        refused |= take & (value["name"].str.len() > MOST_CHARACTERS)
        if source.pattern is not None:
            refused |= take & ~value["name"].str.fullmatch(source.pattern).fillna(False).astype(bool)
        made["fails_pattern"] |= refused
        take &= ~refused
        made["username"] = made["username"].mask(take, value["name"])
        made["username_field"] = made["username_field"].mask(take, source.field)
    return made


def check_manual_usernames(usernames: pd.Series) -> pd.DataFrame:
    """Usernames somebody decided on, as `derive_usernames` gives them: `username`, `is_cleaned`, `is_refused`."""
    name = visible_texts(usernames)
    return pd.DataFrame(
        {
            "username": name,
            "is_cleaned": name != usernames,
            "is_refused": where_unusual(name, _is_refused) | ~name.str.len().between(1, MOST_CHARACTERS),
        }
    )


def _derive_from_source(values: pd.Series, source: UsernameSource) -> pd.DataFrame:
    """What a source makes of a field's values: `name` (null where there is nothing), `is_cleaned`, `is_refused`."""
    seen = visible_texts(values)
    name, has_lost = _transformed(seen, source.transform)
    name = visible_texts(name)
    trims = any(step in ("trim", "no_spaces") for step in source.transform)
    return pd.DataFrame(
        {
            "name": name.where(name.str.len() > 0),
            "is_cleaned": where_unusual(values, lambda text: _is_cleaned(text.strip() if trims else text)),
            "is_refused": where_unusual(name, _is_refused) | has_lost,
        }
    )


def _is_refused(text: str) -> bool:
    """Also where one letter stands for so many (U+FDFA for 18) that its key does not fit an index."""
    return is_refused(text) or len(username_key(text)) > MOST_CHARACTERS


def _is_cleaned(text: str) -> bool:
    """Whether more is taken away from a text than the other form of its accents."""
    return unicodedata.normalize("NFC", text) != visible(text)


def field_values(users: pd.DataFrame, field: str) -> pd.Series:
    """A user field by OneRoster's name; text or null, also for a text that says that there is none (`NULL`, `N/A`).

    :param field: `email`, `username`, `sourcedId`, `identifier`, `userIds.<type>`, `userProfiles.<type>` (the username
        among the credentials of the profile of that type) or `metadata.<key>`.
    """
    name, _, key = field.partition(".")
    texts = users[_COLUMNS[name]]
    if not key:
        return without_no_value(texts.astype("str"), address=name == "email")
    read = {"userIds": _user_id, "userProfiles": _credential, "metadata": _metadata}[name]
    found = [None if text is None or text != text else read(text, key) for text in texts]
    return pd.Series(found, index=users.index, dtype="str")


def as_text(kind: pa.DataType) -> Any:
    """How pandas is to hold a column of Arrow's."""
    return pd.StringDtype(na_value=float("nan")) if pa.types.is_string(kind) else None


def _user_id(text: str, key: str) -> str | None:
    """The first identifier among the userIds of a type."""
    found = (_text(entry.get("identifier")) for entry in _of_type(text, "type", key))
    return next(filter(None, found), None)


def _credential(text: str, key: str) -> str | None:
    """The first username among the credentials of the profiles of a type (OneRoster 1.2)."""
    for profile in _of_type(text, "profileType", key):
        for credential in profile.get("credentials") or ():
            if isinstance(credential, dict) and (username := _text(credential.get("username"))):
                return username
    return None


def _of_type(text: str, name: str, wanted: str) -> Iterator[dict[str, Any]]:
    """The objects of a list that have a type; types are compared without case (there is no fixed vocabulary)."""
    for entry in msgspec.json.decode(text):
        if isinstance(entry, dict) and str(entry.get(name, "")).lower() == wanted.lower():
            yield entry


def _metadata(text: str, key: str) -> str | None:
    """A metadata value whose dotted key may be flat (`"ic.x": 1`) or nested (`"ic": {"x": 1}`)."""
    node: Any = msgspec.json.decode(text)
    if not isinstance(node, dict):
        return None
    if key in node:
        return _text(node[key])
    for part in key.split("."):
        node = node.get(part) if isinstance(node, dict) else None
    return _text(node)


def _text(value: object) -> str | None:
    """A single value as text; a whole number is one however it is written, so 10442.0 is `10442`."""
    if isinstance(value, bool) or not isinstance(value, (str, int, float)):
        return None
    if isinstance(value, float) and value.is_integer() and abs(value) < 2**53:
        value = int(value)
    return None if is_no_value(str(value)) else str(value)


def _transformed(values: pd.Series, steps: list[str | dict[str, Any]]) -> tuple[pd.Series, pd.Series]:
    """The values after all steps, and in which of them a letter has no ASCII form."""
    has_lost = pd.Series(False, index=values.index)
    for step in steps:
        name, argument = (step, None) if isinstance(step, str) else next(iter(step.items()))
        values = _apply(values, name, argument)
        if name == "ascii":
            has_lost |= where_unusual(values, lambda text: "\ufffd" in text)
    return values, has_lost


def _apply(values: pd.Series, name: str, argument: Any) -> pd.Series:
    text = values.str
    match name:
        case "trim":
            return text.strip()
        case "lower":
            return text.lower()
        case "upper":
            return text.upper()
        case "ascii":
            return changed_where_unusual(values, to_ascii)
        case "no_spaces":
            return changed_where_unusual(values, lambda one: re.sub(r"\s+", "", one))
        case "local_part":
            return text.split("@", n=1).str[0].astype("str")
        case "domain":
            return text.split("@", n=1).str[0].astype("str") + f"@{argument}"
        case "prefix":
            return argument + values
        case "suffix":
            return values + argument
        case "replace":
            return text.replace(argument[0], argument[1], regex=False)
        case "regex":
            return text.replace(re.compile(argument[0]), argument[1], regex=True)
    raise ValueError(f"unknown transform {name!r}")  # settings refuse it before


# Who may have a username that several want (rule 10).
#
# Names are compared by their key (`rollcall.model.username_text.username_key`), and between persons, not records. Who
# has the name now keeps it, also on a night on which they would give it up: a change of name waits for somebody who
# agrees, and until then the name is not free. Where nobody has it, nobody gets it.


def find_collisions(candidates: pd.DataFrame, holders: pd.DataFrame) -> pd.Series:
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
    return _name_opponents(refused, wanted, contested, held, candidates.index)


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


def _name_opponents(
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
