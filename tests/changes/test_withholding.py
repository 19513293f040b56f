"""Whatever is withheld, the roster after tonight holds together."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from hypothesis import given
from hypothesis import strategies as st

from rollcall.changes.comparison import OWNER_REMOVED, TableChanges
from rollcall.changes.withholding import withhold_rows
from rollcall.landing.change_set import TableCounts, change_schema
from rollcall.model.tables import TABLES
from tests.conftest import examples

_IDS = ("a", "b", "c")
_NAMES = ("users", "classes", "user_roles", "enrollments")


def _keys(values: Any) -> pa.ChunkedArray:
    return pa.chunked_array([pa.array(list(values), pa.string())])


def _changes(name: str, before: dict[str, dict[str, str]], rows: list[dict[str, str]]) -> TableChanges:
    table = TABLES[name]
    keys = {row["key"]: row["_change"] for row in rows}
    plain = [{column: value for column, value in row.items() if column != "key"} for row in rows]
    return TableChanges(
        table,
        pa.Table.from_pylist(plain, schema=change_schema(table)),
        TableCounts(published=len(before)),
        received=_keys(key for key, change in keys.items() if change in ("added", "changed")),
        kept=_keys(key for key in before if key not in keys),
        removed=_keys(key for key, change in keys.items() if change == "removed"),
    )


@st.composite
def _nights(draw: st.DrawFn) -> tuple[dict[str, dict[str, dict[str, str]]], dict[str, TableChanges], pa.Table]:
    """A consistent roster before tonight, a consistent one after it as changes, and rows to withhold."""
    before: dict[str, dict[str, dict[str, str]]] = {}
    after: dict[str, dict[str, dict[str, str]]] = {}
    for roster in (before, after):
        people = draw(st.sets(st.sampled_from(_IDS)))
        classes = draw(st.sets(st.sampled_from(_IDS)))
        roster["users"] = {key: {"sourced_id": key} for key in people}
        roster["classes"] = {key: {"sourced_id": key} for key in classes}
        roster["user_roles"] = {
            f"{key}\x1fstudent": {"user_sourced_id": key, "role_key": "student"}
            for key in people
            if draw(st.booleans())
        }
        links = (
            st.tuples(st.sampled_from(sorted(people)), st.sampled_from(sorted(classes))) if people and classes else None
        )
        roster["enrollments"] = {
            key: dict(zip(("user_sourced_id", "class_sourced_id"), draw(links), strict=True)) | {"sourced_id": key}
            for key in ("e1", "e2", "e3")
            if links is not None and draw(st.booleans())
        }
    changes = {}
    for name in _NAMES:
        owners = TABLES[name].owners
        rows = []
        for key in sorted(before[name].keys() | after[name].keys()):
            then, now = before[name].get(key), after[name].get(key)
            if then is None:
                rows.append({**now, "key": key, "_change": "added"})
            elif now is None:
                gone = [owner for column, owner in owners.items() if then[column] not in after[owner]]
                reasons = OWNER_REMOVED[gone[0]] if gone else "its own reason"
                rows.append({**then, "key": key, "_change": "removed", "_reason": reasons})
            elif then != now or draw(st.booleans()):
                rows.append({**now, "key": key, "_change": "changed"})
        changes[name] = _changes(name, before[name], rows)
    named = [
        {"table_name": name, "row_key": key, "change": change}
        for name in _NAMES
        for key, change in zip(changes[name].keys().to_pylist(), changes[name].rows["_change"].to_pylist(), strict=True)
        if draw(st.booleans())
    ]
    schema = pa.schema([(name, pa.string()) for name in ("table_name", "row_key", "change")])
    return before, changes, pa.Table.from_pylist(named, schema=schema)


def _published(
    before: dict[str, dict[str, dict[str, str]]], changes: dict[str, TableChanges]
) -> dict[str, dict[str, Any]]:
    """What readers have when the changes are applied."""
    roster = {name: dict(rows) for name, rows in before.items()}
    for name, made in changes.items():
        for key, row in zip(made.keys().to_pylist(), made.rows.to_pylist(), strict=True):
            if row["_change"] == "removed":
                del roster[name][key]
            else:
                roster[name][key] = {column: row[column] for column in (*TABLES[name].key, *TABLES[name].owners)}
    return roster


@examples(300)
@given(_nights())
def test_no_row_points_at_a_person_or_class_that_is_not_there_after_any_holds(night):
    before, changes, named = night

    def owners(table, keys):
        rows = [before[table.name][key] for key in keys.to_pylist()]
        return pa.table(
            {name: pa.array([row[name] for row in rows], pa.string()) for name in (*table.key, *table.owners)}
        )

    made = withhold_rows(changes, named, owners)
    after = _published(before, made)
    for name in _NAMES:
        for row in after[name].values():
            for column, owner in TABLES[name].owners.items():
                assert row[column] in after[owner]
        # what mapping will see is what publish will write
        seen = {*made[name].received.to_pylist(), *made[name].kept.to_pylist()}
        assert seen == set(after[name])
        assert set(made[name].removed.to_pylist()) == set(before[name]) - set(after[name])
        assert made[name].counts.held == changes[name].rows.num_rows - made[name].rows.num_rows
    withheld = {(row["table_name"], row["row_key"]) for row in named.to_pylist() if row["change"] == "added"}
    assert not withheld & {(name, key) for name in _NAMES for key in after[name]}
    reasons = made["enrollments"].rows.filter(pc.equal(made["enrollments"].rows["_change"], "removed"))
    for row in reasons.to_pylist():
        for owner, said in OWNER_REMOVED.items():
            column = "user_sourced_id" if owner == "users" else "class_sourced_id"
            assert row["_reason"] != said or row[column] not in after[owner]
