"""`docs/staging-schema.md`, made from the models: `rollcall db describe > docs/staging-schema.md`.

A test holds the page against what this makes, and runs the queries it shows.
"""

from __future__ import annotations

from collections.abc import Iterator

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

from rollcall.model import tables
from rollcall.warehouse.models import LINEAGE, history, staging

# What the warehouse's tables and columns mean, in a sentence each; the pages for downstream are made from it.

#: Tables of the roster.
TABLES: dict[str, str] = {
    "orgs": "Schools, districts and what stands above them.",
    "academic_sessions": "School years, semesters, terms and grading periods, with their dates.",
    "courses": "What is taught, whoever teaches it.",
    "classes": "Sections and homerooms: a course at a school.",
    "class_terms": "Which terms a class is held in.",
    "users": "People: students, staff, guardians and relatives.",
    "user_roles": "Who is what where. Replaced as a set with its person; the same for OneRoster 1.1 and 1.2.",
    "user_agents": "Who belongs to whom: a student's guardians and relatives, and the other way round.",
    "enrollments": "Who is in which class, and as what.",
    "demographics": "Birth date, sex and the like, where a district shares them. There is no view of it in `roster`.",
    "accounts": "The answer: who has an account at which site, under which username.",
}

#: Columns that mean the same in every table that has them.
COLUMNS: dict[str, str] = {
    "district_id": "The district's id, as in its YAML file.",
    "sourced_id": "OneRoster's `sourcedId`: identifies the record within its district.",
    "status": "`active`; a record marked `tobedeleted` is removed and keeps what it had before.",
    "date_last_modified": "The provider's stamp when another field last changed; a new stamp alone is not written.",
    "metadata": "The provider's own additions.",
    "identifier": "The number people know: a student's or employee's number, a school's state number.",
    "grades": "List of grades, as the provider writes them.",
    "subjects": "List of subjects in words.",
    "subject_codes": "List of subject codes.",
    "begin_date": "First day.",
    "end_date": "First day after it: OneRoster's end dates are exclusive.",
    "start_date": "First day.",
    "role_key": "`<role>|<org>|<begin date>`: tells the roles of one person apart; org and begin date may be empty.",
    "role_type": "`primary` or `secondary`.",
    "is_enabled": "Whether the person may use their account in the information system.",
    "is_primary": "Whether this is the class's primary teacher.",
    "user_ids": "List of `{type, identifier}`: other systems' ids of the person.",
    "user_profiles": "OneRoster 1.2: the person's profiles with their credentials' usernames; never a password.",
    "school_year": "The four digits of the year in which it ends.",
    "periods": "List of the periods of the day.",
    "account_id": "Stays the same for as long as person and site are the same, whatever else changes.",
    "site_id": "The vendor's site, or the school's `sourced_id` where schools are not mapped to sites.",
    "site_name": "What people call the site.",
    "source_roles": "List of the OneRoster roles that made this account.",
    "school_sourced_ids": "List of the schools of this site the person has a role at.",
    "is_primary_site": "True for exactly one of a person's accounts.",
    "username": "In `accounts` the username; in `users` the provider's own field.",
    "username_field": "The OneRoster field the username came from.",
    "username_key": "The username as it is compared: NFKC, case folded, nothing invisible. No two persons have one.",
    "_digest": "A number for the row's content; `date_last_modified` does not count.",
    "_run_id": "The run that last wrote the row.",
    "_first_seen_at": "The instant (`as_of`) of the first pull that brought it.",
    "_changed_at": "The instant of the pull that last changed its content or life.",
    "_missing_since": "Absent since that complete pull; a second one removes it. Readers still have it.",
    "_removed_at": "Null while live.",
    "_removed_because": "Why it was removed.",
    "_generation": "The publication that wrote the row.",
    "_until_generation": "The publication that replaced it.",
    "_valid_from": "The instant from which this was so.",
    "_valid_to": "The instant from which it was no longer so; null while it is.",
    "_closed_run_id": "The run that wrote `_valid_to`.",
}

#: Columns whose meaning depends on their table.
COLUMNS_OF: dict[tuple[str, str], str] = {
    ("accounts", "role"): "`student` or `staff`.",
    ("user_roles", "role"): "The OneRoster role.",
    ("enrollments", "role"): "`student`, `teacher`, … in this class.",
    ("orgs", "type"): "`school`, `district`, …",
    ("academic_sessions", "type"): "`schoolYear`, `semester`, `term` or `gradingPeriod`.",
}

#: References, by column: the table they lead to.
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

#: `parent_sourced_id` leads to the same table.
PARENT = "parent_sourced_id"


def reference(table: str, column: str) -> str | None:
    """The table a column leads to."""
    return table if column == PARENT else REFERENCES.get(column)


def meaning(table: str, column: str) -> str:
    """A column's sentence; empty where its name says it all."""
    target = reference(table, column)
    said = COLUMNS_OF.get((table, column)) or COLUMNS.get(column, "")
    return said or (f"`sourced_id` in `{target}`." if target else "")


_HEAD = """# The roster in the warehouse

Made by `rollcall db describe` from the models; do not edit by hand.

| schema | what | for whom |
|---|---|---|
| `roster` | views of the same names, live rows only, no demographics | dbt, applications, reports: **read these** |
| `roster_staging` | every accepted record, removed ones too, with lineage | Rollcall, audits |
| `roster_history` | type 2 history; `<table>_published`: what readers had before | audits, `rollcall roster` |
| `roster_ops` | the ledger of runs, findings, rejects, holds, who is left out and why | people who watch the nights |

One transaction publishes a district: a reader sees yesterday's roster or today's, across all tables. Columns are only
added within a major version; new ones come at the end. Names are OneRoster's in snake_case; `<name>_sourced_id` is a
reference, `is_…` a boolean, lists and objects are JSON. The prefix `roster` can be changed (`ROLLCALL_SCHEMA_PREFIX`).
"""

_LINEAGE_HEAD = """## Lineage

Every staging table has these columns beside its own; the views have the first four.

"""

_HISTORY = """## History

`roster_history.<table>` has the table's own columns and these. `roster_history.<table>_published` has those of staging
and `_until_generation`.
"""

#: Shown on the page and run by a test: title, SQL.
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
        "Who has no account, and why",
        """SELECT reason, count(*)
FROM roster_ops.left_out
WHERE district_id = 'maple'
GROUP BY reason
ORDER BY count(*) DESC;""",
    ),
    (
        "Who left in the last week, and because of what",
        """SELECT sourced_id, _removed_at, _removed_because
FROM roster_staging.users
WHERE district_id = 'maple' AND _removed_at > now() - interval '7 days';""",
    ),
    (
        "The usernames of the first of November",
        """SELECT user_sourced_id, site_id, username
FROM roster_history.accounts
WHERE district_id = 'maple'
  AND _valid_from <= '2026-11-01 12:00+00'
  AND (_valid_to IS NULL OR _valid_to > '2026-11-01 12:00+00');""",
    ),
    (
        "How fresh every district is",
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
    lines = ["## How the tables hang together", "", "```mermaid", "erDiagram"]
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
