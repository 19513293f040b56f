"""Lookups of the published roster for the guard: where rows are, whose they are, and who the people are.

Each lookup reads the warehouse when it is called. On a night with few removals, none is called.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import pyarrow as pa
import sqlalchemy as sa

from rollcall.model.keys import sql_join_key, sql_key_part
from rollcall.model.tables import COLLECTIONS, TABLES
from rollcall.warehouse.bulk import copy_out, load_temp_keys
from rollcall.warehouse.schemas import STAGING

#: What identifies a person: names, identifier, email, birth date, and the grades as JSON text.
PEOPLE_SCHEMA = pa.schema(
    [
        *((name, pa.string()) for name in ("sourced_id", "given_name", "family_name", "identifier", "email", "grades")),
        ("birth_date", pa.date32()),
    ]
)

#: The places of live rows. A row at two schools has two entries; so has a row of a student who also teaches.
PLACES_SCHEMA = pa.schema([(name, pa.string()) for name in ("key", "kind", "school", "site")])

_SCHOOL_SITES = pa.schema([("school", pa.string()), ("site", pa.string())])
_AT_SCHOOLS = pa.schema([("key", pa.string()), ("school", pa.string())])
_COUNTS = pa.schema(
    [
        *((name, pa.string()) for name in ("scope", "kind", "school", "site")),
        ("rows", pa.int64()),
    ]
)

# {by_key} and its like are replaced by a join that limits the query to the keys in `lookup_keys`.
_PERSON_PLACES = f"""
    SELECT r.sourced_id AS key, r.primary_org_sourced_id AS school, 0 AS rank FROM {STAGING}.users r {{by_key}}
    WHERE r.district_id = %(district)s AND r._removed_at IS NULL AND r.primary_org_sourced_id IS NOT NULL
    UNION ALL
    SELECT r.user_sourced_id, r.org_sourced_id, 1 FROM {STAGING}.user_roles r {{by_user}}
    WHERE r.district_id = %(district)s AND r._removed_at IS NULL AND r.org_sourced_id IS NOT NULL"""

_PERSON_KINDS = f"""
    SELECT r.sourced_id AS key, k.kind FROM {STAGING}.%s r {{by_key}}
    LEFT JOIN (
        SELECT r.user_sourced_id, bool_or(r.role = ANY(%%(students)s)) AS is_student,
            bool_or(r.role <> ALL(%%(students)s) AND r.role <> ALL(%%(others)s)) AS is_staff
        FROM {STAGING}.user_roles r {{by_user}}
        WHERE r.district_id = %%(district)s AND r._removed_at IS NULL GROUP BY r.user_sourced_id
    ) o ON o.user_sourced_id = r.sourced_id
    CROSS JOIN LATERAL (VALUES ('students', o.is_student), ('staff', o.is_staff),
        ('others', NOT coalesce(o.is_student OR o.is_staff, false))) AS k (kind, is_so)
    WHERE r.district_id = %%(district)s AND r._removed_at IS NULL AND k.is_so"""

_KIND_OF_ROLE = "CASE WHEN r.role = ANY(%(students)s) THEN 'students' ELSE 'staff' END"
_ACCOUNT_KEY = sql_join_key(["r.user_sourced_id", "r.site_id"])

# Per table, the schools of its live rows. The lowest `rank` is the main school.
_PLACES = {
    "users": _PERSON_PLACES,
    "demographics": _PERSON_PLACES,
    "classes": f"""
        SELECT r.sourced_id AS key, r.school_sourced_id AS school, 0 AS rank FROM {STAGING}.classes r {{by_key}}
        WHERE r.district_id = %(district)s AND r._removed_at IS NULL AND r.school_sourced_id IS NOT NULL""",
    "enrollments": f"""
        SELECT r.sourced_id AS key, coalesce(r.school_sourced_id, c.school_sourced_id) AS school, 0 AS rank
        FROM {STAGING}.enrollments r {{by_key}}
        LEFT JOIN {STAGING}.classes c ON c.district_id = r.district_id AND c.sourced_id = r.class_sourced_id
        WHERE r.district_id = %(district)s AND r._removed_at IS NULL
            AND coalesce(r.school_sourced_id, c.school_sourced_id) IS NOT NULL""",
    "accounts": f"""
        SELECT {_ACCOUNT_KEY} AS key, o.school, 0 AS rank FROM {STAGING}.accounts r {{by_account}}
        CROSS JOIN LATERAL jsonb_array_elements_text(
            CASE jsonb_typeof(r.school_sourced_ids) WHEN 'array' THEN r.school_sourced_ids ELSE '[]' END) AS o (school)
        WHERE r.district_id = %(district)s AND r._removed_at IS NULL""",
}
_NO_PLACES = "SELECT NULL::text AS key, NULL::text AS school, 0 AS rank WHERE false"

# Per table, the kind of its live rows. Rows that belong to no person are all of one kind.
_KINDS = {
    "users": _PERSON_KINDS % "users",
    "demographics": _PERSON_KINDS % "demographics",
    "enrollments": f"""
        SELECT r.sourced_id AS key, {_KIND_OF_ROLE} AS kind FROM {STAGING}.enrollments r {{by_key}}
        WHERE r.district_id = %(district)s AND r._removed_at IS NULL""",
    "accounts": f"""
        SELECT {_ACCOUNT_KEY} AS key, {_KIND_OF_ROLE} AS kind FROM {STAGING}.accounts r {{by_account}}
        WHERE r.district_id = %(district)s AND r._removed_at IS NULL""",
}
_ONE_KIND = f"""
    SELECT r.sourced_id AS key, 'all' AS kind FROM {STAGING}.%s r {{by_key}}
    WHERE r.district_id = %%(district)s AND r._removed_at IS NULL"""

# Tables whose rows are at one school each: one query gives kind and school, and rows are counted without DISTINCT.
_SINGLE_SCHOOL = {
    "classes": f"""
        SELECT r.sourced_id AS key, 'all' AS kind, r.school_sourced_id AS school, 0 AS rank
        FROM {STAGING}.classes r {{by_key}} WHERE r.district_id = %(district)s AND r._removed_at IS NULL""",
    "enrollments": f"""
        SELECT r.sourced_id AS key, {_KIND_OF_ROLE} AS kind,
            coalesce(r.school_sourced_id, c.school_sourced_id) AS school, 0 AS rank
        FROM {STAGING}.enrollments r {{by_key}}
        LEFT JOIN {STAGING}.classes c ON c.district_id = r.district_id AND c.sourced_id = r.class_sourced_id
        WHERE r.district_id = %(district)s AND r._removed_at IS NULL""",
}

_NO_JOINS = {"by_key": "", "by_user": "", "by_account": ""}
_KEY_JOINS = {
    "by_key": "JOIN lookup_keys a ON a.key = r.sourced_id",
    "by_user": "JOIN lookup_keys a ON a.key = r.user_sourced_id",
    "by_account": f"JOIN lookup_keys a ON r.user_sourced_id = {sql_key_part('a.key', 1)} "
    f"AND r.site_id = {sql_key_part('a.key', 2)}",
}


@dataclass(frozen=True)
class PublishedLookups:
    """Lookups of the published roster, in the snapshot of the run.

    :param students: the roles of students; `others` are roles of neither students nor staff.
    :param sites: the site each school is mapped to; empty where every school is its own.
    """

    connection: sa.Connection
    district: str
    students: Sequence[str]
    others: Sequence[str]
    sites: Mapping[str, str] = field(default_factory=dict)

    def schools(self) -> set[str]:
        """The live orgs that are schools. People have roles at the district and its departments too."""
        query = f"SELECT sourced_id FROM {STAGING}.orgs WHERE district_id = :district AND type = 'school'"
        found = self.connection.execute(sa.text(f"{query} AND _removed_at IS NULL"), {"district": self.district})
        return set(found.scalars())

    def has_roster(self) -> bool:
        """Whether any row is published."""
        of_district = "SELECT FROM {table} WHERE district_id = :district AND _removed_at IS NULL"
        every = " OR ".join(f"EXISTS ({of_district.format(table=f'{STAGING}.{name}')})" for name in COLLECTIONS)
        return bool(self.connection.execute(sa.text(f"SELECT {every}"), {"district": self.district}).scalar_one())

    def schools_of(self, table: str, keys: pa.Array | pa.ChunkedArray) -> pa.Table:
        """The schools of live rows: `key` and `school`, the main school first."""
        if table not in _PLACES:
            return _AT_SCHOOLS.empty_table()
        self._load_keys(keys)
        query = f"""
            SELECT s.key, s.school FROM ({_PLACES[table].format(**_KEY_JOINS)}) s
            GROUP BY s.key, s.school ORDER BY s.key, min(s.rank), s.school"""
        return copy_out(self.connection, query, self._params, _AT_SCHOOLS)

    def places_of(self, table: str, keys: pa.Array | pa.ChunkedArray) -> pa.Table:
        """The places of live rows, in `PLACES_SCHEMA`, the main school first. School or site may be null."""
        self._load_keys(keys)
        placed = self._placements(table, _KEY_JOINS)
        query = f"""
            SELECT p.key, p.kind, p.school, p.site FROM ({placed}) p
            GROUP BY p.key, p.kind, p.school, p.site ORDER BY p.key, p.kind, min(p.rank), p.school"""
        return copy_out(self.connection, query, self._params, PLACES_SCHEMA)

    def live_by_kind(self, table: str) -> Mapping[str, int]:
        """Live rows by kind, in the whole district."""
        if table not in self._by_kind:
            query = f"SELECT k.kind, count(*) FROM ({_kinds(table, _NO_JOINS)}) k GROUP BY k.kind"
            schema = pa.schema([("kind", pa.string()), ("rows", pa.int64())])
            found = copy_out(self.connection, query, self._params, schema).to_pylist()
            self._by_kind[table] = {row["kind"]: row["rows"] for row in found}
        return self._by_kind[table]

    def live(self, table: str) -> Mapping[tuple[str, str, str], int]:
        """Live rows by kind, per `school` and per `site`. A person at two schools counts at both.

        :returns: by kind, scope and the scope's name.
        """
        if table not in self._live:
            rows = "count(*)" if table in _SINGLE_SCHOOL else "count(DISTINCT p.key)"
            query = f"""
                SELECT CASE WHEN grouping(p.school) = 0 THEN 'school' ELSE 'site' END, p.kind, coalesce(p.school, ''),
                    coalesce(p.site, ''), {rows}
                FROM ({self._placements(table, _NO_JOINS)}) p
                GROUP BY GROUPING SETS ((p.kind, p.school), (p.kind, p.site))"""
            found = copy_out(self.connection, query, self._params, _COUNTS).to_pylist()
            self._live[table] = {
                (row["kind"], row["scope"], row["site"] if row["scope"] == "site" else row["school"]): row["rows"]
                for row in found
            }
        return self._live[table]

    def accounts_of(self, people: pa.Array | pa.ChunkedArray) -> pa.ChunkedArray:
        """The keys of these people's accounts."""
        self._load_keys(people)
        query = f"""
            SELECT {_ACCOUNT_KEY} FROM {STAGING}.accounts r JOIN lookup_keys a ON a.key = r.user_sourced_id
            WHERE r.district_id = %(district)s AND r._removed_at IS NULL"""
        return copy_out(self.connection, query, self._params, pa.schema([("key", pa.string())]))["key"]

    def people(self, keys: pa.Array | pa.ChunkedArray) -> pa.Table:
        """Live people, in `PEOPLE_SCHEMA`."""
        self._load_keys(keys)
        columns = ", ".join(f"u.{name}" for name in PEOPLE_SCHEMA.names if name != "birth_date")
        query = f"""
            SELECT {columns}, d.birth_date FROM {STAGING}.users u JOIN lookup_keys a ON a.key = u.sourced_id
            LEFT JOIN {STAGING}.demographics d ON d.district_id = u.district_id AND d.sourced_id = u.sourced_id
                AND d._removed_at IS NULL
            WHERE u.district_id = %(district)s AND u._removed_at IS NULL"""
        return copy_out(self.connection, query, self._params, PEOPLE_SCHEMA)

    def is_empty(self, table: str, column: str) -> bool:
        """Whether a column is null in all live rows."""
        if column not in TABLES[table].names:
            return False
        query = f"""
            SELECT NOT EXISTS (SELECT FROM {STAGING}.{table}
                WHERE district_id = :district AND _removed_at IS NULL AND "{column}" IS NOT NULL)"""
        return bool(self.connection.execute(sa.text(query), {"district": self.district}).scalar_one())

    def missing_people(self) -> pa.ChunkedArray:
        """People who were missing from an earlier full pull and have not returned."""
        query = f"""
            SELECT sourced_id FROM {STAGING}.users
            WHERE district_id = %(district)s AND _removed_at IS NULL AND _missing_since IS NOT NULL"""
        schema = pa.schema([("sourced_id", pa.string())])
        return copy_out(self.connection, query, self._params, schema)["sourced_id"]

    def roles_at(self, orgs: pa.Array | pa.ChunkedArray) -> pa.Table:
        """The live roles at these orgs: `key` of `user_roles`, and the org as `school`."""
        self._load_keys(orgs)
        query = f"""
            SELECT {sql_join_key(["r.user_sourced_id", "r.role_key"])}, r.org_sourced_id
            FROM {STAGING}.user_roles r JOIN lookup_keys a ON a.key = r.org_sourced_id
            WHERE r.district_id = %(district)s AND r._removed_at IS NULL"""
        return copy_out(self.connection, query, self._params, _AT_SCHOOLS)

    def terms_of(self, classes: pa.Array | pa.ChunkedArray) -> pa.ChunkedArray:
        """The terms of these classes."""
        self._load_keys(classes)
        query = f"""
            SELECT DISTINCT t.term_sourced_id
            FROM {STAGING}.class_terms t JOIN lookup_keys a ON a.key = t.class_sourced_id
            WHERE t.district_id = %(district)s AND t._removed_at IS NULL"""
        schema = pa.schema([("term", pa.string())])
        return copy_out(self.connection, query, self._params, schema)["term"]

    def last_grade(self) -> str | None:
        """The highest grade of current and former students; grades above 12 count as 12.

        Former students count, so that the grade below does not become the last one when a class graduates.
        """
        query = f"""
            SELECT max(least(grade, '12')) FROM {STAGING}.users u
            CROSS JOIN LATERAL jsonb_array_elements_text(
                CASE jsonb_typeof(u.grades) WHEN 'array' THEN u.grades ELSE '[]' END) AS grade
            WHERE u.district_id = %(district)s AND grade ~ '^[0-9]{{2}}$'"""
        rows = copy_out(self.connection, query, self._params, pa.schema([("grade", pa.string())]))
        # COPY writes a row that is one null as an empty line, which reads as no row
        return rows["grade"][0].as_py() if rows.num_rows else None

    @property
    def _params(self) -> dict[str, Any]:
        return {"district": self.district, "students": list(self.students), "others": list(self.others)}

    @cached_property
    def _by_kind(self) -> dict[str, Mapping[str, int]]:
        return {}

    @cached_property
    def _live(self) -> dict[str, Mapping[tuple[str, str, str], int]]:
        return {}

    def _placements(self, table: str, joins: Mapping[str, str]) -> str:
        """A query for the rows of a table by kind, school and site."""
        self._load_sites()
        if table in _SINGLE_SCHOOL:
            rows = _SINGLE_SCHOOL[table].format(**joins)
            return f"SELECT k.*, s.site FROM ({rows}) k LEFT JOIN school_sites s ON s.school = k.school"
        places = _PLACES.get(table, _NO_PLACES).format(**joins)
        site = sql_key_part("k.key", 2) if table == "accounts" else "s.site"
        return f"""
            SELECT k.key, k.kind, l.school, {site} AS site, l.rank FROM ({_kinds(table, joins)}) k
            LEFT JOIN ({places}) l ON l.key = k.key LEFT JOIN school_sites s ON s.school = l.school"""

    def _load_sites(self) -> None:
        rows = pa.table({"school": list(self.sites), "site": list(self.sites.values())}, schema=_SCHOOL_SITES)
        load_temp_keys(self.connection, "school_sites", rows)

    def _load_keys(self, keys: pa.Array | pa.ChunkedArray) -> None:
        load_temp_keys(self.connection, "lookup_keys", pa.table({"key": keys}))


def _kinds(table: str, joins: Mapping[str, str]) -> str:
    """A query for the rows of a table and their kinds."""
    return (_KINDS[table] if table in _KINDS else _ONE_KIND % table).format(**joins)
