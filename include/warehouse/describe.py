"""`docs/staging-schema.md`, made from the models: `rollcall db describe > docs/staging-schema.md`.

A test holds the page against what this makes, and runs the queries it shows.
"""

from __future__ import annotations

from collections.abc import Iterator

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

from include import tables
from include.warehouse.meanings import TABLES, meaning, reference
from include.warehouse.models import LINEAGE, history, staging

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
