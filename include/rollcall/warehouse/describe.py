"""Generates `docs/staging-schema.md` from the models: `rollcall db describe > docs/staging-schema.md`.

A test compares the page with this output and runs its example queries.
"""

from __future__ import annotations

from collections.abc import Iterator

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

from rollcall.model import tables
from rollcall.warehouse.models import LINEAGE, history, staging

#: Tables of the roster.
TABLES: dict[str, str] = {
    "orgs": "Schools, districts, and their parent organizations.",
    "academic_sessions": "School years, semesters, terms, and grading periods, with their dates.",
    "courses": "Courses, independent of school, term, and teacher.",
    "classes": "Sections and homerooms: a course at a school.",
    "class_terms": "The terms of each class.",
    "users": "People: students, staff, guardians, and relatives.",
    "user_roles": "Roles of people at orgs. Replaced as a set with the person. The same for OneRoster 1.1 and 1.2.",
    "user_agents": "Links between students and their guardians and relatives, in both directions.",
    "enrollments": "People in classes, with their role in the class.",
    "demographics": "Birth date, sex, and more, if the district shares them. `roster` has no view of this table.",
    "accounts": "The result: one account per person and site, with its username.",
}

#: Columns with the same meaning in every table.
COLUMNS: dict[str, str] = {
    "district_id": "The district's id, as in its YAML file.",
    "sourced_id": "OneRoster's `sourcedId`. Identifies the record within its district.",
    "status": "`active`. A record marked `tobedeleted` is removed and keeps its previous values.",
    "date_last_modified": "The provider's timestamp. A new timestamp alone is not written.",
    "metadata": "The provider's extension fields.",
    "identifier": "The number people use: a student or employee number, or a school's state number.",
    "grades": "List of grades, as sent by the provider.",
    "subjects": "List of subject names.",
    "subject_codes": "List of subject codes.",
    "begin_date": "First day.",
    "end_date": "The day after the last day. OneRoster's end dates are exclusive.",
    "start_date": "First day.",
    "role_key": "`<role>|<org>|<begin date>`. Distinguishes the roles of one person. Org and begin date can be empty.",
    "role_type": "`primary` or `secondary`.",
    "is_enabled": "Whether the person's account in the student information system is enabled.",
    "is_primary": "Whether this person is the primary teacher of the class.",
    "user_ids": "List of `{type, identifier}`: the person's IDs in other systems.",
    "user_profiles": "OneRoster 1.2: the person's profiles with their credential usernames. Never a password.",
    "school_year": "The year in which the school year ends, four digits.",
    "periods": "List of class periods.",
    "account_id": "Stable while person and site stay the same.",
    "site_id": "The vendor's site, or the school's `sourced_id` if schools are not mapped to sites.",
    "site_name": "The display name of the site.",
    "source_roles": "List of the OneRoster roles behind this account.",
    "school_sourced_ids": "List of the site's schools where the person has a role.",
    "is_primary_site": "True for exactly one of a person's accounts.",
    "username": "In `accounts`, the mapped username. In `users`, the provider's field.",
    "username_field": "The OneRoster field that the username is derived from.",
    "username_key": "The username for comparison: NFKC, case folded, nothing invisible. Unique per person.",
    "_digest": "Hash of the row's content, without `date_last_modified`.",
    "_run_id": "The run that last wrote the row.",
    "_first_seen_at": "The time (`as_of`) of the first pull that contained the row.",
    "_changed_at": "The time of the pull that last changed, removed, or restored the row.",
    "_missing_since": "The time of the first complete pull without the row. A second one removes it. Still published.",
    "_removed_at": "The time the row was removed. Null while live.",
    "_removed_reason": "Why the row was removed.",
    "_generation": "The publication that wrote the row.",
    "_until_generation": "The publication that replaced it.",
    "_valid_from": "Start of the row's validity.",
    "_valid_to": "End of the row's validity, exclusive. Null for the current row.",
    "_closed_run_id": "The run that wrote `_valid_to`.",
}

#: Columns whose meaning depends on the table.
COLUMNS_OF: dict[tuple[str, str], str] = {
    ("accounts", "role"): "`student` or `staff`.",
    ("user_roles", "role"): "The OneRoster role.",
    ("enrollments", "role"): "`student`, `teacher`, … in this class.",
    ("orgs", "type"): "`school`, `district`, …",
    ("academic_sessions", "type"): "`schoolYear`, `semester`, `term` or `gradingPeriod`.",
}

#: References: column to target table.
REFERENCES: dict[str, str] = {
    "user_sourced_id": "users",
    "agent_sourced_id": "users",
    "class_sourced_id": "classes",
    "course_sourced_id": "courses",
    "term_sourced_id": "academic_sessions",
    "school_year_sourced_id": "academic_sessions",
    "org_sourced_id": "orgs",
    "school_sourced_id": "orgs",
    "primary_org_sourced_id": "orgs",
}

#: References its own table.
PARENT = "parent_sourced_id"


def reference(table: str, column: str) -> str | None:
    """The table that a column refers to."""
    return table if column == PARENT else REFERENCES.get(column)


def meaning(table: str, column: str) -> str:
    """A column's description. Empty if the name is enough."""
    target = reference(table, column)
    text = COLUMNS_OF.get((table, column)) or COLUMNS.get(column, "")
    return text or (f"`sourced_id` in `{target}`." if target else "")


_HEAD = """# The roster in the warehouse

Generated by `rollcall db describe` from the models. Do not edit by hand.

| schema | contents | use |
|---|---|---|
| `roster` | views with the same names, live rows only, no demographics | dbt, applications, reports: **read these** |
| `roster_staging` | every accepted record, including removed ones, with lineage | Rollcall, audits |
| `roster_history` | type 2 history; `<table>_published`: earlier published rows | audits, `rollcall roster` |
| `roster_ops` | the ledger of runs, findings, rejects, holds, people left out | operations |

One transaction publishes a district. Queries see yesterday's roster or today's, in all tables. Within a major version,
columns are only added, at the end. Names are OneRoster's in snake_case. `<name>_sourced_id` is a reference and `is_…` a
boolean. Lists and objects are JSON. `ROLLCALL_SCHEMA_PREFIX` changes the prefix `roster`.
"""

_LINEAGE_HEAD = """## Lineage

Every staging table also has these columns. The views have the first four.

"""

_HISTORY = """## History

`roster_history.<table>` has the table's columns and these. `roster_history.<table>_published` has the columns of
staging and `_until_generation`.
"""

#: Title and SQL. Shown on the page and run by a test.
EXAMPLES: tuple[tuple[str, str], ...] = (
    (
        "Accounts per site",
        """SELECT site_name, role, count(*)
FROM roster.accounts
WHERE district_id = 'maple'
GROUP BY site_name, role
ORDER BY site_name, role;""",
    ),
    (
        "A class list",
        """SELECT c.title, u.family_name, u.given_name, e.role
FROM roster.enrollments e
JOIN roster.users u ON u.district_id = e.district_id AND u.sourced_id = e.user_sourced_id
JOIN roster.classes c ON c.district_id = e.district_id AND c.sourced_id = e.class_sourced_id
WHERE e.district_id = 'maple'
ORDER BY c.title, e.role, u.family_name, u.given_name;""",
    ),
    (
        "People without an account, by reason",
        """SELECT reason, count(*)
FROM roster_ops.left_out
WHERE district_id = 'maple'
GROUP BY reason
ORDER BY count(*) DESC;""",
    ),
    (
        "People removed in the last week, with the reason",
        """SELECT sourced_id, _removed_at, _removed_reason
FROM roster_staging.users
WHERE district_id = 'maple' AND _removed_at > now() - interval '7 days';""",
    ),
    (
        "Usernames on November 1",
        """SELECT user_sourced_id, site_id, username
FROM roster_history.accounts
WHERE district_id = 'maple'
  AND _valid_from <= '2026-11-01 12:00+00'
  AND (_valid_to IS NULL OR _valid_to > '2026-11-01 12:00+00');""",
    ),
    (
        "Freshness by district",
        """SELECT d.name, s.generation, s.current_as_of
FROM roster_ops.state s
JOIN roster_ops.districts d USING (district_id)
ORDER BY s.current_as_of;""",
    ),
)


def page() -> str:
    """The whole page, as Markdown."""
    parts = [_HEAD, _diagram(), *map(_table, tables.TABLES.values()), _lineage(), _history(), _examples()]
    return "\n".join(parts).rstrip() + "\n"


def _diagram() -> str:
    lines = ["## Relationships", "", "```mermaid", "erDiagram"]
    for table in tables.TABLES.values():
        for column in table.names:
            if target := reference(table.name, column):
                lines.append(f'    {target} ||--o{{ {table.name} : "{column.removesuffix("_sourced_id")}"')
    lines += ['    users ||--o| demographics : "sourced_id"', "```", ""]
    return "\n".join(lines)


def _table(table: tables.Table) -> str:
    key = ", ".join(f"`{name}`" for name in ("district_id", *table.key))
    lines = [f"## {table.name}", "", TABLES[table.name], "", f"Key: {key}.", *_rows(table.name, _own(table)), ""]
    return "\n".join(lines)


def _own(table: tables.Table) -> Iterator[sa.Column]:
    for name in ("district_id", *table.names):
        yield staging[table.name].c[name]


def _rows(table: str, columns: Iterator[sa.Column]) -> list[str]:
    lines = ["", "| column | type | meaning |", "|---|---|---|"]
    return lines + [f"| `{column.name}` | {_type(column)} | {meaning(table, column.name)} |" for column in columns]


def _type(column: sa.Column) -> str:
    name = column.type.compile(postgresql.dialect()).lower()
    return "timestamptz" if name == "timestamp with time zone" else name


def _lineage() -> str:
    columns = [staging["users"].c[name] for name in ("_digest", *LINEAGE, "_generation")]
    in_views = {"_run_id", "_first_seen_at", "_changed_at", "_missing_since"}
    ordered = sorted(columns, key=lambda column: column.name not in in_views)
    return _LINEAGE_HEAD.rstrip() + "\n" + "\n".join(_rows("users", iter(ordered))) + "\n"


def _history() -> str:
    names = ("_valid_from", "_valid_to", "_run_id", "_closed_run_id", "_digest")
    return _HISTORY.rstrip() + "\n" + "\n".join(_rows("users", iter(history["users"].c[name] for name in names))) + "\n"


def _examples() -> str:
    return "## Examples\n\n" + "\n".join(f"### {title}\n\n```sql\n{sql}\n```\n" for title, sql in EXAMPLES)
