"""The fields of a OneRoster user that a username can come from, each declared once.

The settings accept these names, mapping reads the values, `rollcall usernames` compares them, and `rollcall explain`
writes their labels. To add one, add it to `USERNAME_FIELDS`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

#: The values in a decoded JSON column that belong to one key, in order.
Values = Callable[[Any, str], Iterator[Any]]


@dataclass(frozen=True)
class UsernameField:
    """One field.

    :param name: OneRoster's name, and the name in a district's settings.
    :param column: the column of `users`.
    :param label: what a person reads; the key follows it.
    :param key: what follows the name and a dot in the settings: `type` for `userIds.<type>`. Empty: nothing follows.
    :param values: reads a JSON column. Only for fields with a key.
    :param entry_key: the member of each object of a list that holds the key. None: the column is one object, and its
        keys are the keys.
    """

    name: str
    column: str
    label: str
    key: str = ""
    values: Values | None = None
    entry_key: str | None = None

    @property
    def form(self) -> str:
        """How people write it: `email`, `userIds.<type>`."""
        return f"{self.name}.<{self.key}>" if self.key else self.name


def _user_id(entries: Any, wanted: str) -> Iterator[Any]:
    """The identifiers of the userIds of a type."""
    for entry in _of_type(entries, "type", wanted):
        yield entry.get("identifier")


def _credential(entries: Any, wanted: str) -> Iterator[Any]:
    """The usernames in the credentials of the profiles of a type (OneRoster 1.2)."""
    for profile in _of_type(entries, "profileType", wanted):
        for credential in profile.get("credentials") or ():
            if isinstance(credential, dict):
                yield credential.get("username")


def _of_type(entries: Any, name: str, wanted: str) -> Iterator[dict[str, Any]]:
    """The objects of a list that have a type. Case is ignored, because types have no fixed vocabulary."""
    for entry in entries:
        if isinstance(entry, dict) and str(entry.get(name, "")).lower() == wanted.lower():
            yield entry


def _metadata(node: Any, key: str) -> Iterator[Any]:
    """A metadata value by a dotted key, which may be flat (`"ic.x": 1`) or nested (`"ic": {"x": 1}`)."""
    if not isinstance(node, dict):
        return
    if key in node:
        yield node[key]
        return
    for part in key.split("."):
        node = node.get(part) if isinstance(node, dict) else None
    yield node


USERNAME_FIELDS: Mapping[str, UsernameField] = {
    field.name: field
    for field in (
        UsernameField("email", "email", "the email address"),
        UsernameField("username", "username", "the username"),
        UsernameField("sourcedId", "sourced_id", "the record ID"),
        UsernameField("identifier", "identifier", "the student or staff number"),
        UsernameField("userIds", "user_ids", "the user ID", "type", _user_id, entry_key="type"),
        UsernameField("metadata", "metadata", "the extra field", "key", _metadata),
        UsernameField("userProfiles", "user_profiles", "the profile", "type", _credential, entry_key="profileType"),
    )
}

#: How people write the fields: `email`, …, `userIds.<type>`.
FORMS: tuple[str, ...] = tuple(field.form for field in USERNAME_FIELDS.values())


def parse(name: str) -> tuple[UsernameField, str] | None:
    """The field and the key of a name such as `userIds.LDAP`. None: there is no such field, or its key is missing."""
    first, _, key = name.partition(".")
    field = USERNAME_FIELDS.get(first)
    return None if field is None or bool(field.key) != bool(key) or name.endswith(".") else (field, key)
