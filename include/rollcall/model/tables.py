"""The tables of a roster and their columns, each declared once.

From this declaration come: the OneRoster client's records and what it lands (as text), the types of accepted rows, the
references that must resolve, the warehouse's models, the columns of COPY, and `docs/staging-schema.md`. Names are
OneRoster's in snake_case; a reference is `<name>_sourced_id`, a boolean `is_…`. Lists and objects are JSON text until
they reach a `jsonb` column.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

Kind = Literal["text", "date", "timestamp", "boolean", "json", "integer"]

#: OneRoster has three services. A district's Base URL is that of rostering.
Service = Literal["rostering", "gradebook", "resources"]

#: A new timestamp alone is no change: several providers update it on every record every night. An account keeps its id,
#: and a username's key is derived from the username.
_NOT_CONTENT = ("date_last_modified", "account_id", "username_key")


@dataclass(frozen=True)
class Column:
    """One column: its name, its type after validation, and where OneRoster has it.

    :param member: OneRoster's name. Empty: the column's name in camelCase, without `_sourced_id` or `is_`.
    :param vocabulary: the OneRoster vocabulary of its values, a key of `rollcall.model.vocabularies.TOKENS`.
    :param target: the table it refers to.
    :param is_list: a JSON list of single values.
    """

    name: str
    kind: Kind = "text"
    member: str = ""
    vocabulary: str = ""
    target: str = ""
    is_list: bool = False

    @property
    def member_name(self) -> str:
        """OneRoster's name of the column, in camelCase."""
        if self.member:
            return self.member
        name = self.name.removesuffix("_sourced_id") if self.target else self.name
        return camel_case(name.removeprefix("is_") if self.kind == "boolean" else name)


@dataclass(frozen=True)
class Table:
    """A table of the roster.

    :param name: the same in `roster_staging`, `roster`, `roster_history` and in the landing zone.
    :param key: what identifies a row within a district.
    :param columns: OneRoster's fields in order, key included; the warehouse adds lineage columns.
    :param description: one sentence for `docs/staging-schema.md`.
    :param collection: the OneRoster collection whose pull fills it, in snake_case; None for the result of the mapping.
    :param parent: for parts of another record (a user's roles), the table of that record. Parts are replaced as a set
        with their record, and `key[0]` is its sourcedId.
    :param owners: columns that reference a required record, and that record's table. When the record is removed, these
        rows are removed with it (rule 3).
    :param service: the OneRoster service of the collection. A district pulls collections of rostering by default, and
        those of other services only if its setting `collections` names them.
    """

    name: str
    key: tuple[str, ...]
    columns: tuple[Column, ...]
    description: str
    collection: str | None = None
    parent: str | None = None
    owners: Mapping[str, str] = field(default_factory=dict)
    service: Service = "rostering"

    @property
    def names(self) -> list[str]:
        return [column.name for column in self.columns]

    @property
    def content(self) -> list[str]:
        """The columns whose differences count as changes."""
        return [name for name in self.names if name not in _NOT_CONTENT]

    @property
    def references(self) -> dict[str, str]:
        """Columns that refer to another record, and that record's table."""
        own = {column.name: column.target for column in self.columns if column.target}
        return {**own, **self.owners}

    def of_kind(self, *kinds: Kind) -> list[str]:
        """Names of the columns of these kinds."""
        return [column.name for column in self.columns if column.kind in kinds]


def camel_case(name: str) -> str:
    """`given_name` as OneRoster writes it: `givenName`."""
    return re.sub(r"_(.)", lambda match: match[1].upper(), name)


def _collection(
    name: str,
    columns: tuple[Column, ...],
    description: str,
    *,
    owners: Mapping[str, str] | None = None,
    service: Service = "rostering",
) -> Table:
    """The main table of a collection; its records have the fields that all OneRoster records have."""
    return Table(
        name,
        ("sourced_id",),
        (*_EVERY_RECORD, *columns),
        description,
        collection=name,
        owners=owners or {},
        service=service,
    )


def _part(name: str, parent: str, key: tuple[str, ...], columns: tuple[Column, ...], description: str) -> Table:
    """The table of a list in a collection's records."""
    return Table(name, key, columns, description, collection=parent, parent=parent, owners={key[0]: parent})


def _columns(names: str, kind: Kind = "text") -> tuple[Column, ...]:
    return tuple(Column(name, kind) for name in names.split())


def _lists(names: str) -> tuple[Column, ...]:
    return tuple(Column(name, "json", is_list=True) for name in names.split())


def _reference(name: str, target: str) -> Column:
    return Column(name, target=target)


_EVERY_RECORD = (
    *_columns("sourced_id status"),
    Column("date_last_modified", "timestamp"),
    Column("metadata", "json"),
)

TABLES: dict[str, Table] = {
    table.name: table
    for table in (
        _collection(
            "orgs",
            (
                Column("name"),
                Column("type", vocabulary="org_type"),
                Column("identifier"),
                _reference("parent_sourced_id", "orgs"),
            ),
            "Schools, districts, and their parent organizations.",
        ),
        _collection(
            "academic_sessions",
            (
                Column("title"),
                Column("type", vocabulary="session_type"),
                *_columns("start_date end_date", "date"),
                _reference("parent_sourced_id", "academic_sessions"),
                Column("school_year"),
            ),
            "School years, semesters, terms, and grading periods, with their dates.",
        ),
        _collection(
            "courses",
            (
                *_columns("title course_code"),
                _reference("school_year_sourced_id", "academic_sessions"),
                _reference("org_sourced_id", "orgs"),
                *_lists("grades subjects subject_codes"),
            ),
            "Courses, independent of school, term, and teacher.",
        ),
        _collection(
            "classes",
            (
                *_columns("title class_code"),
                Column("class_type", vocabulary="class_type"),
                Column("location"),
                *_lists("grades subjects subject_codes periods"),
                _reference("course_sourced_id", "courses"),
                _reference("school_sourced_id", "orgs"),
            ),
            "Sections and homerooms: a course at a school.",
        ),
        _part(
            "class_terms",
            "classes",
            ("class_sourced_id", "term_sourced_id"),
            (Column("class_sourced_id"), _reference("term_sourced_id", "academic_sessions")),
            "The terms of each class.",
        ),
        _collection(
            "users",
            (
                *_columns("user_master_identifier username"),
                *_columns("user_ids user_profiles", "json"),
                Column("is_enabled", "boolean", member="enabledUser"),
                *_columns(
                    "given_name family_name middle_name preferred_first_name preferred_middle_name "
                    "preferred_last_name pronouns identifier email sms phone"
                ),
                *_lists("grades"),
                _reference("primary_org_sourced_id", "orgs"),
            ),
            "People: students, staff, guardians, and relatives.",
        ),
        _part(
            "user_roles",
            "users",
            # begin_date may be null, which no primary key allows, so one text column holds the whole identity
            ("user_sourced_id", "role_key"),
            (
                *_columns("user_sourced_id role_key"),
                _reference("org_sourced_id", "orgs"),
                *_columns("role role_type user_profile"),
                *_columns("begin_date end_date", "date"),
            ),
            "Roles of people at orgs. Replaced as a set with the person. The same for OneRoster 1.1 and 1.2.",
        ),
        _part(
            "user_agents",
            "users",
            ("user_sourced_id", "agent_sourced_id"),
            (Column("user_sourced_id"), _reference("agent_sourced_id", "users")),
            "Links between students and their guardians and relatives, in both directions.",
        ),
        _collection(
            "enrollments",
            (
                _reference("user_sourced_id", "users"),
                _reference("class_sourced_id", "classes"),
                _reference("school_sourced_id", "orgs"),
                Column("role", vocabulary="role"),
                Column("is_primary", "boolean"),
                *_columns("begin_date end_date", "date"),
            ),
            "People in classes, with their role in the class.",
            owners={"user_sourced_id": "users", "class_sourced_id": "classes"},
        ),
        _collection(
            "demographics",
            (
                Column("birth_date", "date"),
                Column("sex", vocabulary="sex"),
                *_columns(
                    "is_american_indian_or_alaska_native is_asian is_black_or_african_american "
                    "is_native_hawaiian_or_other_pacific_islander is_white is_demographic_race_two_or_more_races "
                    "is_hispanic_or_latino_ethnicity",
                    "boolean",
                ),
                *_columns(
                    "country_of_birth_code state_of_birth_abbreviation city_of_birth public_school_residence_status"
                ),
            ),
            "Birth date, sex, and more, if the district shares them. `roster` has no view of this table.",
            owners={"sourced_id": "users"},
        ),
        Table(
            "accounts",
            ("user_sourced_id", "site_id"),
            (
                *_columns("user_sourced_id site_id account_id site_name role"),
                *_columns("source_roles school_sourced_ids", "json"),
                Column("is_primary_site", "boolean"),
                *_columns(
                    "username username_field given_name family_name preferred_first_name preferred_last_name email "
                    "identifier"
                ),
                Column("grades", "json"),
                Column("is_enabled", "boolean"),
                Column("username_key"),
            ),
            "The result: one account per person and site, with its username.",
            owners={"user_sourced_id": "users"},
        ),
    )
}

#: The OneRoster collections, in the order in which references resolve.
COLLECTIONS: tuple[str, ...] = tuple(table.name for table in TABLES.values() if table.name == table.collection)

#: The collections of the rostering service. A district pulls these unless its setting `collections` names others.
ROSTERING_COLLECTIONS: tuple[str, ...] = tuple(name for name in COLLECTIONS if TABLES[name].service == "rostering")


def tables_of(collection: str) -> list[Table]:
    """The tables of one collection: the record's own first, then its parts."""
    return [table for table in TABLES.values() if table.collection == collection]


#: Columns that are not in the landed files because validate adds them.
ADDED_BY_VALIDATE = {"user_roles": ("role_key",)}
