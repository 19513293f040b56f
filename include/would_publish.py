"""What readers would have if a run had published: after a dry run, or while publication is paused.

Read from the run's change set in the landing zone, laid over the roster it was worked out on. Counts only.
"""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import sqlalchemy as sa

from include.contracts import LEFT_OUT_SCHEMA, ChangeSet, change_schema, load, read_rows
from include.landing import PullFolder
from include.past.published import rows_at
from include.tables import TABLES

Row = dict[str, Any]

_KEY = ["user_sourced_id", "site_id"]
_ACCOUNT = [*_KEY, "site_name", "role"]

#: What brings a row as it will be; the others bring its key only.
_ARRIVALS = pa.array(["added", "changed", "returned", "found"])


def left_out_reasons(folder: PullFolder) -> list[Row]:
    """How many people would have no account, per first reason: `reason` and `people`, most first."""
    rows = read_rows(folder, load(folder, ChangeSet).left_out, LEFT_OUT_SCHEMA, ["reason"])
    counted = rows.group_by("reason").aggregate([([], "count_all")]).rename_columns({"count_all": "people"})
    return counted.sort_by([("people", "descending"), ("reason", "ascending")]).to_pylist()


def accounts_per_site(connection: sa.Connection, folder: PullFolder) -> list[Row]:
    """Accounts per site as they would be: `site_id`, `site_name`, `students` and `staff`, by the site's name."""
    changes, table = load(folder, ChangeSet), TABLES["accounts"]
    changed = read_rows(folder, changes.parts.get("accounts", []), change_schema(table), [*_ACCOUNT, "_change"])
    arrives = pc.is_in(changed["_change"], value_set=_ARRIVALS)
    goes = pc.equal(changed["_change"], "removed")
    before = rows_at(connection, changes.district, table, changes.generation, _ACCOUNT)
    stays = before.join(changed.filter(pc.or_(arrives, goes)).select(_KEY), _KEY, join_type="left anti")
    accounts = pa.concat_tables([stays.select(_ACCOUNT), changed.filter(arrives).select(_ACCOUNT)])
    students, staff = (pc.cast(pc.equal(accounts["role"], role), pa.int64()) for role in ("student", "staff"))
    told = accounts.select(["site_id", "site_name"]).append_column("students", students).append_column("staff", staff)
    counted = (
        told.group_by(["site_id", "site_name"])
        .aggregate([("students", "sum"), ("staff", "sum")])
        .rename_columns({"students_sum": "students", "staff_sum": "staff"})
    )
    return counted.sort_by([("site_name", "ascending"), ("site_id", "ascending")]).to_pylist()
