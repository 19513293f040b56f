"""Converts records to the tables of the landing zone, column by column. The tables are the same for 1.1 and 1.2.

A list of references becomes its own table, one row per target. A user's role and orgs in 1.1 become the same rows as
the roles in 1.2. No table has a password.

Every value becomes text or None. Dates stay as received, so that validation can judge invalid ones. Booleans become
`true` or `false`. Lists and objects become compact JSON with sorted keys. Columns are built with comprehensions and C
functions; single values are examined only if a column holds something other than text. A Python call per cell would
make this ten times slower, and enrollments are many.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from functools import lru_cache
from operator import attrgetter
from typing import Any

import msgspec

from rollcall.model import tables
from rollcall.model.tables import TABLES
from rollcall.model.vocabularies import token
from rollcall.oneroster.lenient_decode import drop_passwords, truncate_nesting
from rollcall.oneroster.records import COLLECTIONS, Class, Ref, Role, Scalar, User, UserId, UserProfile

Texts = list[str | None]
Column = Callable[[Sequence[Any]], Texts]

_TEXT_OR_NONE = {str, type(None)}
_json = msgspec.json.Encoder(order="sorted")


def text(value: Any) -> str | None:
    """One value as text. The empty string becomes None."""
    if type(value) is str:
        return value or None
    if value is None:
        return None
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


def target(reference: Any) -> str | None:
    """The sourcedId of a reference: an object, or the plain ID that some providers send."""
    return text(reference.sourced_id if type(reference) is Ref else reference)


def as_list(value: Any) -> list[Any]:
    """The value as a list. Some providers send a single value, or null."""
    if isinstance(value, list):
        return value
    return [] if value is None or value == "" else [value]


def targets(references: Any) -> list[str]:
    """The distinct sourcedIds of a list of references, in order."""
    if references is None or references == []:
        return []
    return list(dict.fromkeys(sourced_id for sourced_id in map(target, as_list(references)) if sourced_id is not None))


def without_empty(pairs: Iterable[tuple[str, Any]]) -> dict[str, Any]:
    """The members with a value."""
    return {name: value for name, value in pairs if value}


def scalar(attribute: str) -> Column:
    get = attrgetter(attribute)
    return lambda records: _texts(list(map(get, records)))


def reference(attribute: str) -> Column:
    whole, sourced_id = attrgetter(attribute), attrgetter(f"{attribute}.sourced_id")

    def column(records: Sequence[Any]) -> Texts:
        try:
            return _texts(list(map(sourced_id, records)))
        except AttributeError:  # the column has a null or a plain ID
            return [target(value) for value in map(whole, records)]

    return column


def flag(attribute: str) -> Column:
    """A boolean in any spelling. Other values stay unchanged, so that validation can judge them."""
    column = scalar(attribute)

    def normalize(value: str | None) -> str | None:
        return value.lower() if value and value.lower() in ("true", "false") else value

    return lambda records: _map_distinct(column(records), normalize)


def status(records: Sequence[Any]) -> Texts:
    """`active` if missing (records loaded in bulk), `tobedeleted` for `inactive` of OneRoster 1.0."""

    def normalize(value: str | None) -> str:
        lower = (value or "").strip().lower()
        return {"": "active", "inactive": "tobedeleted"}.get(lower, lower)

    return _map_distinct(scalar("status")(records), normalize)


def tokens(attribute: str, vocabulary: str) -> Column:
    """A value of a OneRoster vocabulary, in the specification's spelling."""
    column = scalar(attribute)
    return lambda records: _map_distinct(column(records), lambda value: value and token(vocabulary, value))


def metadata(records: Sequence[Any]) -> Texts:
    """Metadata as JSON. Values nested too deeply are truncated just below the maximum; validation rejects them."""
    values = [record.metadata for record in records]
    try:
        texts = [_json_text(value) for value in values]
    except RecursionError:
        values = [truncate_nesting(value) for value in values]
        texts = [_json_text(value) for value in values]
    for row, value in enumerate(texts):
        if value is not None and "password" in value.lower():
            texts[row] = _json_text(drop_passwords(truncate_nesting(values[row])))
    return texts


def texts_list(attribute: str) -> Column:
    """A list of single values. Empty ones keep their position: `subjects` and `subjectCodes` match by index."""
    get = attrgetter(attribute)

    def column(records: Sequence[Any]) -> Texts:
        encoded: dict[tuple[Any, ...], str | None] = {}
        texts: Texts = []
        for value in map(get, records):
            values = as_list(value)
            # The types belong to the key: 1, 1.0, and True are equal but have different texts.
            key = (*values, *map(type, values))
            if key not in encoded:
                items = [text(item) or "" for item in values]
                encoded[key] = _json_text(items) if any(items) else None
            texts.append(encoded[key])
        return texts

    return column


def objects_list(attribute: str, to_dict: Callable[[Any], dict[str, Any]]) -> Column:
    """A list of objects. `to_dict` chooses the members to keep."""
    get = attrgetter(attribute)
    return lambda records: [
        _json_text([item for item in map(to_dict, as_list(value)) if item]) for value in map(get, records)
    ]


def _texts(values: list[Any]) -> Texts:
    if set(map(type, values)) <= _TEXT_OR_NONE:
        return [value or None for value in values] if "" in values else values
    return [text(value) for value in values]


def _map_distinct(values: Texts, change: Callable[[str | None], str | None]) -> Texts:
    """Apply a function once to each distinct value of a column with few distinct values."""
    changed = {value: change(value) for value in set(values)}
    return [changed[value] for value in values]


def _json_text(value: Any) -> str | None:
    return _json.encode(value).decode() if value else None


_Row = tuple[str | None, ...]


def columns(collection: str, records: Sequence[Any]) -> dict[str, dict[str, Texts]]:
    """The tables of a collection, as columns.

    :param collection: a name of `COLLECTIONS`.
    :param records: decoded records of that collection.
    :return: table → column → one value per row, text or None. All columns of a table have equal length.
    """
    built = {collection: {name: column(records) for name, column in _MAIN[collection].items()}}
    for table in COLLECTIONS[collection].tables[1:]:
        names, rows_of = _LISTS[table]
        rows = [row for record in records for row in rows_of(record)]
        built[table] = {name: [row[index] for row in rows] for index, name in enumerate(names)}
    return built


def _user_id(user_id: UserId | str | int | None) -> dict[str, Any]:
    kind, identifier = (user_id.type, user_id.identifier) if isinstance(user_id, UserId) else (None, user_id)
    return without_empty([("type", text(kind)), ("identifier", text(identifier))])


def _user_profile(profile: UserProfile | None) -> dict[str, Any]:
    if profile is None:
        return {}
    credentials = [
        without_empty([("type", text(credential.type)), ("username", text(credential.username))])
        for credential in as_list(profile.credentials)
        if credential is not None
    ]
    return without_empty(
        [
            ("profileId", text(profile.profile_id)),
            ("profileType", text(profile.profile_type)),
            ("vendorId", text(profile.vendor_id)),
            ("applicationId", text(profile.application_id)),
            ("description", text(profile.description)),
            ("credentials", [credential for credential in credentials if credential]),
        ]
    )


def _class_terms(record: Class) -> list[_Row]:
    return [(str(record.sourced_id), term) for term in targets(record.terms)]


def _user_agents(user: User) -> list[_Row]:
    return [(_id(user), agent) for agent in targets(user.agents)]


def _user_roles(user: User) -> Collection[_Row]:
    """A user's roles. Of several with equal org, role, and begin date, validation keeps one."""
    roles = [role for role in as_list(user.roles) if role is not None]
    if not roles:
        return _role_and_orgs(user)
    if len(roles) == 1:
        return [_role_row(user, roles[0])]
    return dict.fromkeys(_role_row(user, role) for role in roles)


def _role_row(user: User, role: Role) -> _Row:
    """A role without an org belongs to the user's primary org."""
    return (
        _id(user),
        target(role.org) or target(user.primary_org_sourced_id),
        _token("role", role.role),
        _token("role_type", role.role_type),
        text(role.user_profile),
        text(role.begin_date),
        text(role.end_date),
    )


def _role_and_orgs(user: User) -> list[_Row]:
    """1.1 has one role and several orgs. A role without an org is still a role."""
    role, orgs = _token("role", user.role), targets(user.orgs)
    if role is None and not orgs:
        return []
    org_ids: list[str | None] = [*orgs] or [target(user.primary_org_sourced_id)]
    return [(_id(user), org, role, "primary", None, None, None) for org in org_ids]


@lru_cache(maxsize=4096, typed=True)
def _token(vocabulary: str, value: Scalar) -> str | None:
    spelling = text(value)
    return token(vocabulary, spelling) if spelling else spelling


def _id(user: User) -> str:
    return str(user.sourced_id)


#: Columns with a form of their own. The others follow from their declaration in `rollcall.model.tables`.
_OWN: dict[str, Column] = {
    "status": status,
    "metadata": metadata,
    "user_ids": objects_list("user_ids", _user_id),
    "user_profiles": objects_list("user_profiles", _user_profile),
}


def _column(declared: tables.Column) -> Column:
    if declared.name in _OWN:
        return _OWN[declared.name]
    if declared.target:
        return reference(declared.name)
    if declared.is_list:
        return texts_list(declared.name)
    if declared.vocabulary:
        return tokens(declared.name, declared.vocabulary)
    return flag(declared.name) if declared.kind == "boolean" else scalar(declared.name)


#: Per collection, its main table: column → the function that builds it from the records, in the order of the table.
_MAIN: dict[str, dict[str, Column]] = {
    name: {column.name: _column(column) for column in TABLES[name].columns} for name in COLLECTIONS
}

#: Tables of lists: their columns, and a function for the rows of one record, in the order of the list.
_LISTS: dict[str, tuple[tuple[str, ...], Callable[[Any], Collection[_Row]]]] = {
    "class_terms": (("class_sourced_id", "term_sourced_id"), _class_terms),
    "user_roles": (
        ("user_sourced_id", "org_sourced_id", "role", "role_type", "user_profile", "begin_date", "end_date"),
        _user_roles,
    ),
    "user_agents": (("user_sourced_id", "agent_sourced_id"), _user_agents),
}
