"""Derive usernames from ordered sources, each with its own transforms; never guessed (rule 10)."""

from __future__ import annotations

import re
import unicodedata
from typing import Any

import msgspec
import pandas as pd
import pyarrow as pa

from rollcall.model.no_value import is_no_value, without_no_value
from rollcall.model.username_fields import UsernameField, parse
from rollcall.model.username_text import (
    changed_where_unusual,
    is_refused,
    to_ascii,
    username_key,
    visible,
    visible_texts,
    where_unusual,
)
from rollcall.settings import District, UsernameSource

#: The longest username: a longer one does not fit an index, and no system accepts it at sign-in.
MOST_CHARACTERS = 255


def source_columns(district: District) -> list[str]:
    """The columns of `users` that the district's usernames come from."""
    sources = [*district.username_sources("student"), *district.username_sources("staff")]
    return sorted({field_and_key(source.field)[0].column for source in sources})


def keys_from_any_source(district: District, users: pa.Table) -> set[str]:
    """The keys of all usernames that any source of the district derives for these users, including refused ones.

    :param users: the columns of `source_columns`.
    """
    frame = users.to_pandas(types_mapper=as_text)
    sources = [*district.username_sources("student"), *district.username_sources("staff")]
    names = (_derive_from_source(field_values(frame, source.field), source)["name"].dropna() for source in sources)
    return {username_key(name) for made in names for name in made if name}


def derive_usernames(users: pd.DataFrame, sources: list[UsernameSource]) -> pd.DataFrame:
    """Each user's username and the field it is from.

    :param users: columns of the table `users`.
    :returns: on the users' index: `username` and `username_field`, both null if all sources are empty. `fails_pattern`
        is true if a source has a value that its pattern or a character in it rules out, or that is too long; the next
        source is not tried then. `cleaned` is the field from which invisible characters were removed, `refused` the
        field with a character that no username may contain.
    """
    texts = ("username", "username_field", "cleaned", "refused")
    result = pd.DataFrame({name: pd.Series(None, index=users.index, dtype="str") for name in texts})
    result["fails_pattern"] = False
    for source in sources:
        value = _derive_from_source(field_values(users, source.field), source)
        tried = result["username"].isna() & ~result["fails_pattern"]
        result["cleaned"] = result["cleaned"].mask(tried & value["is_cleaned"] & result["cleaned"].isna(), source.field)
        take = tried & value["name"].notna()
        refused = take & value["is_refused"]
        result["refused"] = result["refused"].mask(refused, source.field)
        refused |= take & (value["name"].str.len() > MOST_CHARACTERS)
        if source.pattern is not None:
            refused |= take & ~value["name"].str.fullmatch(source.pattern).fillna(False).astype(bool)
        result["fails_pattern"] |= refused
        take &= ~refused
        result["username"] = result["username"].mask(take, value["name"])
        result["username_field"] = result["username_field"].mask(take, source.field)
    return result


def check_manual_usernames(usernames: pd.Series) -> pd.DataFrame:
    """Check usernames that a person decided on: `username`, `is_cleaned`, `is_refused`."""
    name = visible_texts(usernames)
    return pd.DataFrame(
        {
            "username": name,
            "is_cleaned": name != usernames,
            "is_refused": where_unusual(name, _is_refused) | ~name.str.len().between(1, MOST_CHARACTERS),
        }
    )


def _derive_from_source(values: pd.Series, source: UsernameSource) -> pd.DataFrame:
    """The usernames a source derives from a field: `name` (null if empty), `is_cleaned`, `is_refused`."""
    seen = visible_texts(values)
    name, has_lost = _transform(seen, source.transform)
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
    """Refuse a text also if its key does not fit an index: one letter may expand to many (U+FDFA to 18)."""
    return is_refused(text) or len(username_key(text)) > MOST_CHARACTERS


def _is_cleaned(text: str) -> bool:
    """Whether more is removed from a text than a different form of its accents."""
    return unicodedata.normalize("NFC", text) != visible(text)


def field_values(users: pd.DataFrame, field: str) -> pd.Series:
    """The values of a user field by its OneRoster name, as text; null also for a placeholder (`NULL`, `N/A`).

    :param field: a name of `rollcall.model.username_fields`.
    """
    known, key = field_and_key(field)
    texts, values = users[known.column], known.values
    if values is None:
        return without_no_value(texts.astype("str"), address=known.column == "email")

    def first(text: str) -> str | None:
        found = map(_text, values(msgspec.json.decode(text), key))
        return next((value for value in found if value is not None), None)

    result = [None if text is None or text != text else first(text) for text in texts]
    return pd.Series(result, index=users.index, dtype="str")


def field_and_key(field: str) -> tuple[UsernameField, str]:
    """The declaration of a field, and the key after its dot."""
    found = parse(field)
    if found is None:
        raise ValueError(f"unknown username field {field!r}")  # the settings reject it earlier
    return found


def as_text(kind: pa.DataType) -> Any:
    """The pandas type of an Arrow column; a `types_mapper` for `to_pandas`."""
    return pd.StringDtype(na_value=float("nan")) if pa.types.is_string(kind) else None


def _text(value: object) -> str | None:
    """A single value as text; a whole number has no decimals, so 10442.0 is `10442`."""
    if isinstance(value, bool) or not isinstance(value, (str, int, float)):
        return None
    if isinstance(value, float) and value.is_integer() and abs(value) < 2**53:
        value = int(value)
    return None if is_no_value(str(value)) else str(value)


def _transform(values: pd.Series, steps: list[str | dict[str, Any]]) -> tuple[pd.Series, pd.Series]:
    """The values after all steps, and whether a letter in each has no ASCII form."""
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
    raise ValueError(f"unknown transform {name!r}")  # the settings reject it earlier
