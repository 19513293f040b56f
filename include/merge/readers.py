"""What readers have now, as far as the guard has to know it: at which schools rows are, and who people are.

Read when it is asked for: on a night on which little goes nothing of this is read.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import pyarrow as pa
import sqlalchemy as sa

from include.warehouse.bulk import copy_in, copy_out
from include.warehouse.dialect import temporary, update_statistics
from include.warehouse.schemas import STAGING

#: Who is compared with whom: names, what else tells people apart, and the grades as JSON text.
PEOPLE_SCHEMA = pa.schema(
    [
        *((name, pa.string()) for name in ("sourced_id", "given_name", "family_name", "identifier", "email", "grades")),
        ("birth_date", pa.date32()),
    ]
)

_AT_SCHOOLS = pa.schema([("key", pa.string()), ("school", pa.string())])

# per table, every live row's key and school; the lower `turn` is the nearer one. What stands for {asked} keeps to the
# rows of the table `asked`, so that each is looked up by its key
_SCHOOLS = {
    "users": f"""
        SELECT r.sourced_id AS key, r.primary_org_sourced_id AS school, 0 AS turn FROM {STAGING}.users r {{asked}}
        WHERE r.district_id = %(district)s AND r._removed_at IS NULL AND r.primary_org_sourced_id IS NOT NULL
        UNION ALL
        SELECT r.user_sourced_id, r.org_sourced_id, 1 FROM {STAGING}.user_roles r {{asked_owners}}
        WHERE r.district_id = %(district)s AND r._removed_at IS NULL AND r.org_sourced_id IS NOT NULL""",
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
        SELECT r.user_sourced_id || chr(31) || r.site_id AS key, r.site_id AS school, 0 AS turn
        FROM {STAGING}.accounts r {{asked_accounts}}
        WHERE r.district_id = %(district)s AND r._removed_at IS NULL""",
}
_EVERY_ROW = {"asked": "", "asked_owners": "", "asked_accounts": ""}
_ASKED = {
    "asked": "JOIN asked a ON a.key = r.sourced_id",
    "asked_owners": "JOIN asked a ON a.key = r.user_sourced_id",
    "asked_accounts": "JOIN asked a ON r.user_sourced_id = split_part(a.key, chr(31), 1) "
    "AND r.site_id = split_part(a.key, chr(31), 2)",
}


@dataclass(frozen=True)
class Readers:
    """The roster readers have, in the snapshot the night works on."""

    connection: sa.Connection
    district: str

    def schools_of(self, table: str, keys: pa.Array | pa.ChunkedArray) -> pa.Table:
        """Where live rows are: `key` and `school`, the nearest school of each first; of accounts it is the site."""
        if table not in _SCHOOLS:
            return _AT_SCHOOLS.empty_table()
        self._ask(keys)
        query = f"""
            SELECT s.key, s.school FROM ({_SCHOOLS[table].format(**_ASKED)}) s
            GROUP BY s.key, s.school ORDER BY s.key, min(s.turn), s.school"""
        return copy_out(self.connection, query, {"district": self.district}, _AT_SCHOOLS)

    def rows_per_school(self, table: str) -> Mapping[str, int]:
        """How many live rows are at each school; who is at two counts at both."""
        schema = pa.schema([("school", pa.string()), ("rows", pa.int64())])
        query = f"SELECT school, count(DISTINCT key) FROM ({_SCHOOLS[table].format(**_EVERY_ROW)}) s GROUP BY school"
        rows = copy_out(self.connection, query, {"district": self.district}, schema)
        return dict(zip(rows["school"].to_pylist(), rows["rows"].to_pylist(), strict=True))

    def people(self, keys: pa.Array | pa.ChunkedArray) -> pa.Table:
        """Live people, in `PEOPLE_SCHEMA`."""
        self._ask(keys)
        columns = ", ".join(f"u.{name}" for name in PEOPLE_SCHEMA.names if name != "birth_date")
        query = f"""
            SELECT {columns}, d.birth_date FROM {STAGING}.users u JOIN asked a ON a.key = u.sourced_id
            LEFT JOIN {STAGING}.demographics d ON d.district_id = u.district_id AND d.sourced_id = u.sourced_id
                AND d._removed_at IS NULL
            WHERE u.district_id = %(district)s AND u._removed_at IS NULL"""
        return copy_out(self.connection, query, {"district": self.district}, PEOPLE_SCHEMA)

    def missing_people(self) -> pa.ChunkedArray:
        """People whom an earlier night missed and nobody has seen since."""
        query = f"""
            SELECT sourced_id FROM {STAGING}.users
            WHERE district_id = %(district)s AND _removed_at IS NULL AND _missing_since IS NOT NULL"""
        schema = pa.schema([("sourced_id", pa.string())])
        return copy_out(self.connection, query, {"district": self.district}, schema)["sourced_id"]

    def roles_at(self, orgs: pa.Array | pa.ChunkedArray) -> pa.Table:
        """The live roles at these orgs: `key` of `user_roles`, and the org as `school`."""
        self._ask(orgs)
        query = f"""
            SELECT r.user_sourced_id || chr(31) || r.role_key, r.org_sourced_id
            FROM {STAGING}.user_roles r JOIN asked a ON a.key = r.org_sourced_id
            WHERE r.district_id = %(district)s AND r._removed_at IS NULL"""
        return copy_out(self.connection, query, {"district": self.district}, _AT_SCHOOLS)

    def terms_of(self, classes: pa.Array | pa.ChunkedArray) -> pa.ChunkedArray:
        """The terms these classes are in."""
        self._ask(classes)
        query = f"""
            SELECT DISTINCT t.term_sourced_id FROM {STAGING}.class_terms t JOIN asked a ON a.key = t.class_sourced_id
            WHERE t.district_id = %(district)s AND t._removed_at IS NULL"""
        schema = pa.schema([("term", pa.string())])
        return copy_out(self.connection, query, {"district": self.district}, schema)["term"]

    def last_grade(self) -> str | None:
        """The highest grade students have or had here; what lies beyond the twelfth counts as the twelfth.

        Those who have left count too: when the last grade has graduated, the one below does not follow.
        """
        query = f"""
            SELECT max(least(grade, '12')) FROM {STAGING}.users u
            CROSS JOIN LATERAL jsonb_array_elements_text(
                CASE jsonb_typeof(u.grades) WHEN 'array' THEN u.grades ELSE '[]' END) AS grade
            WHERE u.district_id = %(district)s AND grade ~ '^[0-9]{{2}}$'"""
        rows = copy_out(self.connection, query, {"district": self.district}, pa.schema([("grade", pa.string())]))
        # COPY writes a null alone in its row as an empty line, which reads as no row
        return rows["grade"][0].as_py() if rows.num_rows else None

    def _ask(self, keys: pa.Array | pa.ChunkedArray) -> None:
        self.connection.exec_driver_sql(temporary("asked", "key text"))
        self.connection.exec_driver_sql("TRUNCATE asked")
        if len(keys):
            copy_in(self.connection, "asked", pa.table({"key": keys}))
        self.connection.exec_driver_sql(update_statistics("asked"))
