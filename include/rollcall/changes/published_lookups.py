"""What readers have now, as far as the guard has to know it: where rows are, whose they are, and who people are.

Read when it is asked for: on a night on which little goes nothing of this is read.
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
from rollcall.warehouse.bulk import copy_in, copy_out
from rollcall.warehouse.schemas import STAGING
from rollcall.warehouse.session import temp_table, update_statistics

#: Who is compared with whom: names, what else tells people apart, and the grades as JSON text.
PEOPLE_SCHEMA = pa.schema(
    [
        *((name, pa.string()) for name in ("sourced_id", "given_name", "family_name", "identifier", "email", "grades")),
        ("birth_date", pa.date32()),
    ]
)

#: Where live rows are and whose: a row at two schools has two entries, and so has one of a student who teaches too.
PLACES_SCHEMA = pa.schema([(name, pa.string()) for name in ("key", "kind", "school", "site")])

_AT_SCHOOLS = pa.schema([("key", pa.string()), ("school", pa.string())])
_COUNTS = pa.schema(
    [
        *((name, pa.string()) for name in ("scope", "kind", "school", "site")),
        ("rows", pa.int64()),
    ]
)

# What replaces {asked} keeps to the rows of the table `asked`, so that each is looked up by its key.
_PERSON_AT = f"""
    SELECT r.sourced_id AS key, r.primary_org_sourced_id AS school, 0 AS turn FROM {STAGING}.users r {{asked}}
    WHERE r.district_id = %(district)s AND r._removed_at IS NULL AND r.primary_org_sourced_id IS NOT NULL
    UNION ALL
    SELECT r.user_sourced_id, r.org_sourced_id, 1 FROM {STAGING}.user_roles r {{asked_owners}}
    WHERE r.district_id = %(district)s AND r._removed_at IS NULL AND r.org_sourced_id IS NOT NULL"""

_PERSON_IS = f"""
    SELECT r.sourced_id AS key, k.kind FROM {STAGING}.%s r {{asked}}
    LEFT JOIN (
        SELECT r.user_sourced_id, bool_or(r.role = ANY(%%(students)s)) AS is_student,
            bool_or(r.role <> ALL(%%(students)s) AND r.role <> ALL(%%(others)s)) AS is_staff
        FROM {STAGING}.user_roles r {{asked_owners}}
        WHERE r.district_id = %%(district)s AND r._removed_at IS NULL GROUP BY r.user_sourced_id
    ) o ON o.user_sourced_id = r.sourced_id
    CROSS JOIN LATERAL (VALUES ('students', o.is_student), ('staff', o.is_staff),
        ('others', NOT coalesce(o.is_student OR o.is_staff, false))) AS k (kind, is_so)
    WHERE r.district_id = %%(district)s AND r._removed_at IS NULL AND k.is_so"""

_OF_ROLE = "CASE WHEN r.role = ANY(%(students)s) THEN 'students' ELSE 'staff' END"
_ACCOUNT = sql_join_key(["r.user_sourced_id", "r.site_id"])

# per table, where its live rows are; the lower `turn` is the nearer school
_PLACES = {
    "users": _PERSON_AT,
    "demographics": _PERSON_AT,
    "classes": f"""
        SELECT r.sourced_id AS key, r.school_sourced_id AS school, 0 AS turn FROM {STAGING}.classes r {{asked}}
        WHERE r.district_id = %(district)s AND r._removed_at IS NULL AND r.school_sourced_id IS NOT NULL""",
    "enrollments": f"""
        SELECT r.sourced_id AS key, coalesce(r.school_sourced_id, c.school_sourced_id) AS school, 0 AS turn
        FROM {STAGING}.enrollments r {{asked}}
        LEFT JOIN {STAGING}.classes c ON c.district_id = r.district_id AND c.sourced_id = r.class_sourced_id
        WHERE r.district_id = %(district)s AND r._removed_at IS NULL
            AND coalesce(r.school_sourced_id, c.school_sourced_id) IS NOT NULL""",
    "accounts": f"""
        SELECT {_ACCOUNT} AS key, o.school, 0 AS turn FROM {STAGING}.accounts r {{asked_accounts}}
        CROSS JOIN LATERAL jsonb_array_elements_text(
            CASE jsonb_typeof(r.school_sourced_ids) WHEN 'array' THEN r.school_sourced_ids ELSE '[]' END) AS o (school)
        WHERE r.district_id = %(district)s AND r._removed_at IS NULL""",
}
_NOWHERE = "SELECT NULL::text AS key, NULL::text AS school, 0 AS turn WHERE false"

# per table, the kind of its live rows; where rows belong to no person, all are alike
_KINDS = {
    "users": _PERSON_IS % "users",
    "demographics": _PERSON_IS % "demographics",
    "enrollments": f"""
        SELECT r.sourced_id AS key, {_OF_ROLE} AS kind FROM {STAGING}.enrollments r {{asked}}
        WHERE r.district_id = %(district)s AND r._removed_at IS NULL""",
    "accounts": f"""
        SELECT {_ACCOUNT} AS key, {_OF_ROLE} AS kind FROM {STAGING}.accounts r {{asked_accounts}}
        WHERE r.district_id = %(district)s AND r._removed_at IS NULL""",
}
_ALIKE = f"""
    SELECT r.sourced_id AS key, 'all' AS kind FROM {STAGING}.%s r {{asked}}
    WHERE r.district_id = %%(district)s AND r._removed_at IS NULL"""

# tables whose rows are at one school each: kind and place in one reading, and rows are counted without comparing keys
_ONE_SCHOOL = {
    "classes": f"""
        SELECT r.sourced_id AS key, 'all' AS kind, r.school_sourced_id AS school, 0 AS turn
        FROM {STAGING}.classes r {{asked}} WHERE r.district_id = %(district)s AND r._removed_at IS NULL""",
    "enrollments": f"""
        SELECT r.sourced_id AS key, {_OF_ROLE} AS kind, coalesce(r.school_sourced_id, c.school_sourced_id) AS school,
            0 AS turn
        FROM {STAGING}.enrollments r {{asked}}
        LEFT JOIN {STAGING}.classes c ON c.district_id = r.district_id AND c.sourced_id = r.class_sourced_id
        WHERE r.district_id = %(district)s AND r._removed_at IS NULL""",
}

_EVERY_ROW = {"asked": "", "asked_owners": "", "asked_accounts": ""}
_ASKED = {
    "asked": "JOIN asked a ON a.key = r.sourced_id",
    "asked_owners": "JOIN asked a ON a.key = r.user_sourced_id",
    "asked_accounts": f"JOIN asked a ON r.user_sourced_id = {sql_key_part('a.key', 1)} "
    f"AND r.site_id = {sql_key_part('a.key', 2)}",
}


@dataclass(frozen=True)
class PublishedLookups:
    """The roster readers have, in the snapshot the night works on.

    :param students: the roles that make a student; `others` those that make neither a student nor staff.
    :param sites: the site each school is mapped to; empty where every school is its own.
    """

    connection: sa.Connection
    district: str
    students: Sequence[str]
    others: Sequence[str]
    sites: Mapping[str, str] = field(default_factory=dict)

    def has_roster(self) -> bool:
        """Whether readers have any row at all."""
        of_district = "SELECT FROM {table} WHERE district_id = :district AND _removed_at IS NULL"
        every = " OR ".join(f"EXISTS ({of_district.format(table=f'{STAGING}.{name}')})" for name in COLLECTIONS)
        return bool(self.connection.execute(sa.text(f"SELECT {every}"), {"district": self.district}).scalar_one())

    def schools_of(self, table: str, keys: pa.Array | pa.ChunkedArray) -> pa.Table:
        """Where live rows are: `key` and `school`, the nearest school of each first."""
        if table not in _PLACES:
            return _AT_SCHOOLS.empty_table()
        self._ask(keys)
        query = f"""
            SELECT s.key, s.school FROM ({_PLACES[table].format(**_ASKED)}) s
            GROUP BY s.key, s.school ORDER BY s.key, min(s.turn), s.school"""
        return copy_out(self.connection, query, self._named, _AT_SCHOOLS)

    def places_of(self, table: str, keys: pa.Array | pa.ChunkedArray) -> pa.Table:
        """Where live rows are and whose, in `PLACES_SCHEMA`, the nearest school of each first; school and site are null
        where there is none.
        """
        self._ask(keys)
        placed = self._placed(table, _ASKED)
        query = f"""
            SELECT p.key, p.kind, p.school, p.site FROM ({placed}) p
            GROUP BY p.key, p.kind, p.school, p.site ORDER BY p.key, p.kind, min(p.turn), p.school"""
        return copy_out(self.connection, query, self._named, PLACES_SCHEMA)

    def live_by_kind(self, table: str) -> Mapping[str, int]:
        """How many live rows of each kind there are in the whole district."""
        if table not in self._by_kind:
            query = f"SELECT k.kind, count(*) FROM ({_kinds(table, _EVERY_ROW)}) k GROUP BY k.kind"
            schema = pa.schema([("kind", pa.string()), ("rows", pa.int64())])
            found = copy_out(self.connection, query, self._named, schema).to_pylist()
            self._by_kind[table] = {row["kind"]: row["rows"] for row in found}
        return self._by_kind[table]

    def live(self, table: str) -> Mapping[tuple[str, str, str], int]:
        """How many live rows of each kind there are per `school` and per `site`; who is at two schools counts at both.

        :returns: by kind, scope and the scope's name.
        """
        if table not in self._live:
            rows = "count(*)" if table in _ONE_SCHOOL else "count(DISTINCT p.key)"
            query = f"""
                SELECT CASE WHEN grouping(p.school) = 0 THEN 'school' ELSE 'site' END, p.kind, coalesce(p.school, ''),
                    coalesce(p.site, ''), {rows}
                FROM ({self._placed(table, _EVERY_ROW)}) p
                GROUP BY GROUPING SETS ((p.kind, p.school), (p.kind, p.site))"""
            found = copy_out(self.connection, query, self._named, _COUNTS).to_pylist()
            self._live[table] = {
                (row["kind"], row["scope"], row["site"] if row["scope"] == "site" else row["school"]): row["rows"]
                for row in found
            }
        return self._live[table]

    def accounts_of(self, people: pa.Array | pa.ChunkedArray) -> pa.ChunkedArray:
        """The keys of these people's accounts."""
        self._ask(people)
        query = f"""
            SELECT {_ACCOUNT} FROM {STAGING}.accounts r JOIN asked a ON a.key = r.user_sourced_id
            WHERE r.district_id = %(district)s AND r._removed_at IS NULL"""
        return copy_out(self.connection, query, self._named, pa.schema([("key", pa.string())]))["key"]

    def people(self, keys: pa.Array | pa.ChunkedArray) -> pa.Table:
        """Live people, in `PEOPLE_SCHEMA`."""
        self._ask(keys)
        columns = ", ".join(f"u.{name}" for name in PEOPLE_SCHEMA.names if name != "birth_date")
        query = f"""
            SELECT {columns}, d.birth_date FROM {STAGING}.users u JOIN asked a ON a.key = u.sourced_id
            LEFT JOIN {STAGING}.demographics d ON d.district_id = u.district_id AND d.sourced_id = u.sourced_id
                AND d._removed_at IS NULL
            WHERE u.district_id = %(district)s AND u._removed_at IS NULL"""
        return copy_out(self.connection, query, self._named, PEOPLE_SCHEMA)

    def is_empty(self, table: str, column: str) -> bool:
        """Whether no live row has anything in a column of its table."""
        if column not in TABLES[table].names:
            return False
        query = f"""
            SELECT NOT EXISTS (SELECT FROM {STAGING}.{table}
                WHERE district_id = :district AND _removed_at IS NULL AND "{column}" IS NOT NULL)"""
        return bool(self.connection.execute(sa.text(query), {"district": self.district}).scalar_one())

    def missing_people(self) -> pa.ChunkedArray:
        """People whom an earlier night missed and nobody has seen since."""
        query = f"""
            SELECT sourced_id FROM {STAGING}.users
            WHERE district_id = %(district)s AND _removed_at IS NULL AND _missing_since IS NOT NULL"""
        schema = pa.schema([("sourced_id", pa.string())])
        return copy_out(self.connection, query, self._named, schema)["sourced_id"]

    def roles_at(self, orgs: pa.Array | pa.ChunkedArray) -> pa.Table:
        """The live roles at these orgs: `key` of `user_roles`, and the org as `school`."""
        self._ask(orgs)
        query = f"""
            SELECT {sql_join_key(["r.user_sourced_id", "r.role_key"])}, r.org_sourced_id
            FROM {STAGING}.user_roles r JOIN asked a ON a.key = r.org_sourced_id
            WHERE r.district_id = %(district)s AND r._removed_at IS NULL"""
        return copy_out(self.connection, query, self._named, _AT_SCHOOLS)

    def terms_of(self, classes: pa.Array | pa.ChunkedArray) -> pa.ChunkedArray:
        """The terms these classes are in."""
        self._ask(classes)
        query = f"""
            SELECT DISTINCT t.term_sourced_id FROM {STAGING}.class_terms t JOIN asked a ON a.key = t.class_sourced_id
            WHERE t.district_id = %(district)s AND t._removed_at IS NULL"""
        schema = pa.schema([("term", pa.string())])
        return copy_out(self.connection, query, self._named, schema)["term"]

    def last_grade(self) -> str | None:
        """The highest grade students have or had here; what lies beyond the twelfth counts as the twelfth.

        Those who have left count too: when the last grade has graduated, the one below does not follow.
        """
        query = f"""
            SELECT max(least(grade, '12')) FROM {STAGING}.users u
            CROSS JOIN LATERAL jsonb_array_elements_text(
                CASE jsonb_typeof(u.grades) WHEN 'array' THEN u.grades ELSE '[]' END) AS grade
            WHERE u.district_id = %(district)s AND grade ~ '^[0-9]{{2}}$'"""
        rows = copy_out(self.connection, query, self._named, pa.schema([("grade", pa.string())]))
        # COPY writes a null alone in its row as an empty line, which reads as no row
        return rows["grade"][0].as_py() if rows.num_rows else None

    @property
    def _named(self) -> dict[str, Any]:
        return {"district": self.district, "students": list(self.students), "others": list(self.others)}

    @cached_property
    def _by_kind(self) -> dict[str, Mapping[str, int]]:
        return {}

    @cached_property
    def _live(self) -> dict[str, Mapping[tuple[str, str, str], int]]:
        return {}

    def _placed(self, table: str, asked: Mapping[str, str]) -> str:
        """Every row of a table by kind, school and site."""
        self._map_sites()
        if table in _ONE_SCHOOL:
            rows = _ONE_SCHOOL[table].format(**asked)
            return f"SELECT k.*, s.site FROM ({rows}) k LEFT JOIN school_sites s ON s.school = k.school"
        places = _PLACES.get(table, _NOWHERE).format(**asked)
        site = sql_key_part("k.key", 2) if table == "accounts" else "s.site"
        return f"""
            SELECT k.key, k.kind, l.school, {site} AS site, l.turn FROM ({_kinds(table, asked)}) k
            LEFT JOIN ({places}) l ON l.key = k.key LEFT JOIN school_sites s ON s.school = l.school"""

    def _map_sites(self) -> None:
        self.connection.exec_driver_sql(temp_table("school_sites", "school text, site text"))
        self.connection.exec_driver_sql("TRUNCATE school_sites")
        if self.sites:
            rows = pa.table({"school": list(self.sites), "site": list(self.sites.values())})
            copy_in(self.connection, "school_sites", rows)

    def _ask(self, keys: pa.Array | pa.ChunkedArray) -> None:
        self.connection.exec_driver_sql(temp_table("asked", "key text"))
        self.connection.exec_driver_sql("TRUNCATE asked")
        if len(keys):
            copy_in(self.connection, "asked", pa.table({"key": keys}))
        self.connection.exec_driver_sql(update_statistics("asked"))


def _kinds(table: str, asked: Mapping[str, str]) -> str:
    """Every row of a table and of which kind it is."""
    return (_KINDS[table] if table in _KINDS else _ALIKE % table).format(**asked)
