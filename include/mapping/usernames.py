"""Usernames from ordered sources, each with its own transforms; never guessed (DESIGN, rule 10)."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from typing import Any

import msgspec
import pandas as pd
import pyarrow as pa

from include.no_value import is_no_value, without_no_value
from include.settings import District, UsernameSource
from include.username_text import (
    changed_where_unusual,
    is_refused,
    to_ascii,
    username_key,
    visible,
    visible_texts,
    where_unusual,
)

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
    names = (_made(field_values(frame, source.field), source)["name"].dropna() for source in sources)
    return {username_key(name) for made in names for name in made if name}


def usernames(users: pd.DataFrame, sources: list[UsernameSource]) -> pd.DataFrame:
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
        value = _made(field_values(users, source.field), source)
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


def by_hand(usernames: pd.Series) -> pd.DataFrame:
    """Usernames somebody decided on, as `usernames` gives them: `username`, `is_cleaned`, `is_refused`."""
    name = visible_texts(usernames)
    return pd.DataFrame(
        {
            "username": name,
            "is_cleaned": name != usernames,
            "is_refused": where_unusual(name, _is_refused) | ~name.str.len().between(1, MOST_CHARACTERS),
        }
    )


def _made(values: pd.Series, source: UsernameSource) -> pd.DataFrame:
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
