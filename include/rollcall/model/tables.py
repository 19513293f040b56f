"""The tables of a roster, described once.

Extract lands these columns as text. Validate converts them to their types, and the changes stage compares them. The
warehouse's models and the columns of COPY are built from them. Names are OneRoster's in snake_case; a reference is
`<name>_sourced_id`, a boolean `is_…`. Lists and objects are JSON text until they reach a `jsonb` column.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

Kind = Literal["text", "date", "timestamp", "boolean", "json", "integer"]


#: A new timestamp alone is no change: several providers update it on every record every night. An account keeps its id,
#: and a username's key is derived from the username.
_NOT_CONTENT = ("date_last_modified", "account_id", "username_key")


@dataclass(frozen=True)
class Column:
    """One column: its name, and its type after validation."""

    name: str
    kind: Kind = "text"


@dataclass(frozen=True)
class Table:
    """A table of the roster.

    :param name: the same in `roster_staging`, `roster`, `roster_history` and in the landing zone.
    :param collection: the OneRoster collection whose pull fills it, in snake_case; None for the result of the mapping.
    :param key: what identifies a row within a district.
    :param columns: OneRoster's fields in order, key included; the warehouse adds lineage columns.
    :param parent: for parts of another record (a user's roles), the table of that record. Parts are replaced as a set
        with their record, and `key[0]` is its sourcedId.
    :param owners: columns that reference a required record, and that record's table. When the record is removed, these
        rows are removed with it (rule 3).
    """

    name: str
    collection: str | None
    key: tuple[str, ...]
    columns: tuple[Column, ...]
    parent: str | None = None
    owners: Mapping[str, str] = field(default_factory=dict)

    @property
    def names(self) -> list[str]:
        return [column.name for column in self.columns]

    @property
    def content(self) -> list[str]:
        """The columns whose differences count as changes."""
        return [name for name in self.names if name not in _NOT_CONTENT]

    def of_kind(self, *kinds: Kind) -> list[str]:
        """Names of the columns of these kinds."""
        return [column.name for column in self.columns if column.kind in kinds]


def _columns(spec: str) -> tuple[Column, ...]:
    """`"name grades:json"` as columns; text by default."""
    pairs = (word.partition(":") for word in spec.split())
    return tuple(Column(name, kind or "text") for name, _, kind in pairs)  # type: ignore[arg-type]


_BASE = "sourced_id status date_last_modified:timestamp metadata:json"
_ID = ("sourced_id",)

_RACES = (
    "is_american_indian_or_alaska_native:boolean is_asian:boolean is_black_or_african_american:boolean "
    "is_native_hawaiian_or_other_pacific_islander:boolean is_white:boolean "
    "is_demographic_race_two_or_more_races:boolean is_hispanic_or_latino_ethnicity:boolean"
)

TABLES: dict[str, Table] = {
    table.name: table
    for table in (
        Table("orgs", "orgs", _ID, _columns(f"{_BASE} name type identifier parent_sourced_id")),
        Table(
            "academic_sessions",
            "academic_sessions",
            _ID,
            _columns(f"{_BASE} title type start_date:date end_date:date parent_sourced_id school_year"),
        ),
        Table(
            "courses",
            "courses",
            _ID,
            _columns(
                f"{_BASE} title course_code school_year_sourced_id org_sourced_id grades:json subjects:json "
                "subject_codes:json"
            ),
        ),
        Table(
            "classes",
            "classes",
            _ID,
            _columns(
                f"{_BASE} title class_code class_type location grades:json subjects:json subject_codes:json "
                "periods:json course_sourced_id school_sourced_id"
            ),
        ),
        Table(
            "class_terms",
            "classes",
            ("class_sourced_id", "term_sourced_id"),
            _columns("class_sourced_id term_sourced_id"),
            parent="classes",
            owners={"class_sourced_id": "classes"},
        ),
        Table(
            "users",
            "users",
            _ID,
            _columns(
                f"{_BASE} user_master_identifier username user_ids:json user_profiles:json is_enabled:boolean "
                "given_name family_name middle_name preferred_first_name preferred_middle_name preferred_last_name "
                "pronouns identifier email sms phone grades:json primary_org_sourced_id"
            ),
        ),
        Table(
            "user_roles",
            "users",
            # begin_date may be null, which no primary key allows, so one text column holds the whole identity
            ("user_sourced_id", "role_key"),
            _columns(
                "user_sourced_id role_key org_sourced_id role role_type user_profile begin_date:date end_date:date"
            ),
            parent="users",
            owners={"user_sourced_id": "users"},
        ),
        Table(
            "user_agents",
            "users",
            ("user_sourced_id", "agent_sourced_id"),
            _columns("user_sourced_id agent_sourced_id"),
            parent="users",
            owners={"user_sourced_id": "users"},
        ),
        Table(
            "enrollments",
            "enrollments",
            _ID,
            _columns(
                f"{_BASE} user_sourced_id class_sourced_id school_sourced_id role is_primary:boolean "
                "begin_date:date end_date:date"
            ),
            owners={"user_sourced_id": "users", "class_sourced_id": "classes"},
        ),
        Table(
            "demographics",
            "demographics",
            _ID,
            _columns(
                f"{_BASE} birth_date:date sex {_RACES} country_of_birth_code state_of_birth_abbreviation "
                "city_of_birth public_school_residence_status"
            ),
            owners={"sourced_id": "users"},
        ),
        Table(
            "accounts",
            None,
            ("user_sourced_id", "site_id"),
            _columns(
                "user_sourced_id site_id account_id site_name role source_roles:json school_sourced_ids:json "
                "is_primary_site:boolean username username_field given_name family_name preferred_first_name "
                "preferred_last_name email identifier grades:json is_enabled:boolean username_key"
            ),
            owners={"user_sourced_id": "users"},
        ),
    )
}

#: The OneRoster collections, in the order in which references resolve.
COLLECTIONS: tuple[str, ...] = (
    "orgs",
    "academic_sessions",
    "courses",
    "classes",
    "users",
    "enrollments",
    "demographics",
)


def tables_of(collection: str) -> list[Table]:
    """The tables of one collection: the record's own first, then its parts."""
    return [table for table in TABLES.values() if table.collection == collection]


#: Columns that are not in the landed files because validate adds them.
ADDED_BY_VALIDATE = {"user_roles": ("role_key",)}
