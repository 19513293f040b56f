"""OneRoster's entities as typed records: one liberal set for 1.1 and 1.2 (information models, section "data model").

The types are liberal because providers are. Booleans and numbers arrive as strings and vice versa. A list may be a
single value or null. A reference may be an object, a plain sourcedId, or null. Members not named here are ignored, so a
`password` (of a user or a credential) never passes the decoder.

The members are those of the columns in `rollcall.model.tables`. Only lists with a form of their own are named here.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Annotated, Any, NamedTuple, cast

import msgspec

from rollcall.model import tables
from rollcall.model.tables import TABLES, Column, Service, Table, camel_case, tables_of

#: Text, or what providers send instead. Floats are excluded: a page with one is read record by record, and `10442.0`
#: keeps all its digits. A float would lose the last of seventeen digits.
Scalar = str | int | bool | None


class Ref(msgspec.Struct, rename="camel", gc=False):
    """A GUIDRef. The field determines its target. `type` and `href` are unreliable and not read."""

    sourced_id: str | int | None = None


Reference = Ref | str | int | None
References = list[Reference] | Ref | str | int | None
Texts = list[Scalar] | str | int | bool | None


class UserId(msgspec.Struct, gc=False):
    """An external ID of a user, such as LDAP or a state ID."""

    type: Scalar = None
    identifier: Scalar = None


class Credential(msgspec.Struct, gc=False):
    """A user's sign-in at a vendor. Its `password` is not read."""

    type: Scalar = None
    username: Scalar = None


class UserProfile(msgspec.Struct, rename="camel", gc=False):
    """A user's account at a vendor (1.2)."""

    profile_id: Scalar = None
    profile_type: Scalar = None
    vendor_id: Scalar = None
    application_id: Scalar = None
    description: Scalar = None
    credentials: list[Credential | None] | Credential | None = None


class Role(msgspec.Struct, rename="camel", gc=False):
    """A user's role at an org, with its dates (1.2)."""

    role_type: Scalar = None
    role: Scalar = None
    org: Reference = None
    user_profile: Scalar = None
    begin_date: Scalar = None
    end_date: Scalar = None


class Record(msgspec.Struct, rename="camel", gc=False, kw_only=True):
    """Fields of every entity. Only sourcedId is required: a tombstone may have nothing else."""

    sourced_id: Annotated[str, msgspec.Meta(min_length=1)] | int
    status: Scalar = None
    date_last_modified: Scalar = None
    metadata: Any = None


class Class(Record):
    terms: References = None


class User(Record):
    """`role` and `orgs` are from 1.1, `roles` and `primary_org_sourced_id` from 1.2."""

    user_ids: list[UserId | str | int | None] | UserId | str | int | None = None
    user_profiles: list[UserProfile | None] | UserProfile | None = None
    primary_org_sourced_id: Reference = msgspec.field(default=None, name="primaryOrg")
    role: Scalar = None
    orgs: References = None
    roles: list[Role | None] | Role | None = None
    agents: References = None


#: What the tables do not declare: members that become rows of another table, and lists of objects.
_OWN_MEMBERS: dict[str, type[Record]] = {"classes": Class, "users": User}


def _record(table: Table) -> type[Record]:
    """The record of a collection: a member for each column of its main table, and those of its own."""
    base = _OWN_MEMBERS.get(table.name, Record)
    members = [
        (column.name, _member_type(column), msgspec.field(default=None, name=column.member_name))
        for column in table.columns
        if column.name not in base.__struct_fields__
    ]
    name = "".join(word.capitalize() for word in table.name.split("_"))
    record = msgspec.defstruct(name, members, bases=(base,), module=__name__, gc=False, kw_only=True)
    return cast(type[Record], record)


def _member_type(column: Column) -> Any:
    if column.target:
        return Reference
    return Texts if column.is_list else Scalar


@dataclass(frozen=True)
class Collection:
    """One collection of a OneRoster service.

    :param name: its name in Rollcall, and the name of its main table.
    :param path: path below the service URL, without a slash.
    :param tables: the main table, then the tables of its lists.
    """

    name: str
    path: str
    record: type[Record]
    tables: tuple[str, ...]
    service: Service

    @property
    def envelope(self) -> str:
        """The member of the response that holds the records."""
        return self.path


#: By name, in pull order: targets of references come first.
COLLECTIONS: dict[str, Collection] = {
    name: Collection(
        name,
        camel_case(name),
        _record(TABLES[name]),
        tuple(table.name for table in tables_of(name)),
        TABLES[name].service,
    )
    for name in tables.COLLECTIONS
}


class OrgSummary(NamedTuple):
    """The fields of an org that identify its district. `parent` is a sourcedId."""

    sourced_id: str
    type: str | None
    parent: str | None
    name: str | None


def district_org(
    orgs: Iterable[tuple[str, str | None, str | None, str | None]], pinned: str | None = None
) -> OrgSummary | None:
    """The org that represents the whole district.

    It is the topmost org of type `district`. If there is none: the topmost of type `local`, the name of a district in
    OneRoster 1.0. Otherwise an org without a parent. The first check of a connection pins this org, and a pull that
    shows another org is refused: another district's Client ID looks like any other, and so does its roster.

    :param orgs: sourcedId, type, parent's sourcedId, and name of the orgs that are not deleted.
    :param pinned: the district's org so far. It wins if several orgs are topmost (a connection for two districts).
        Otherwise the first by sourcedId wins.
    :returns: None: there are no orgs.
    """
    summaries = [OrgSummary(*org) for org in orgs]
    for kind in ("district", "local"):
        if topmost := _topmost([org for org in summaries if org.type == kind]):
            return _choose(topmost, pinned)
    return _choose([org for org in summaries if not org.parent] or _topmost(summaries), pinned)


def _topmost(orgs: list[OrgSummary]) -> list[OrgSummary]:
    """The orgs whose parent is not among them. All orgs, if each has a parent among them."""
    ids = {org.sourced_id for org in orgs}
    return [org for org in orgs if org.parent not in ids or org.parent == org.sourced_id] or orgs


def _choose(orgs: list[OrgSummary], pinned: str | None) -> OrgSummary | None:
    return min(orgs, key=lambda org: (org.sourced_id != pinned, org.sourced_id), default=None)
