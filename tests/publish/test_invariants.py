"""Nothing is committed that contradicts itself: each invariant is broken by a change set that was tampered with."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
import pyarrow as pa
import pyarrow.compute as pc
import pytest
import sqlalchemy as sa

from rollcall.errors import ActionRequired, RollcallError
from rollcall.history.rollback import rollback
from rollcall.landing.change_set import ChangeSet, change_schema
from rollcall.landing.manifests import Part, load, read_rows, save, write_rows
from rollcall.landing.mapping import LEFT_OUT_SCHEMA
from rollcall.landing.pull import PullRef
from rollcall.model.tables import TABLES
from rollcall.pipeline import run
from rollcall.pipeline.stage_record import recorded_stage
from rollcall.publish import invariants
from rollcall.publish.invariants import INVARIANTS
from rollcall.retention.sweep import sweep

TOMBSTONE = {"status": "tobedeleted"}


class Tampered:
    """The change set of a night, and the folder it lies in."""

    def __init__(self, nights: Any, ref: PullRef) -> None:
        self.folder = ref.folder(nights.landing)
        self.changes = load(self.folder, ChangeSet)

    def rows(self, name: str) -> pa.Table:
        return read_rows(self.folder, self.changes.parts[name], change_schema(TABLES[name]))

    def write(self, name: str, rows: pa.Table) -> None:
        parts: list[Part] = write_rows(self.folder, "tampered", name, rows)
        if name == "left_out":
            self._keep(left_out=parts)
        else:
            self._keep(parts={**self.changes.parts, name: parts})

    def change(self, name: str, kind: str, **values: str) -> None:
        """The same rows of a kind with other values; counts stay those of the rows."""
        rows = self.rows(name)
        is_one = pc.equal(rows["_change"], kind)
        for column, value in values.items():
            at = rows.column_names.index(column)
            rows = rows.set_column(at, column, pc.if_else(is_one, value, rows[column]))
        self.write(name, rows)

    def again(self, name: str, **values: str) -> None:
        """One more row, like the first arrival but for these values, added and counted."""
        first = self.rows(name).slice(0, 1).to_pylist()[0]
        row = pa.Table.from_pylist([{**first, **values, "_change": "added"}], change_schema(TABLES[name]))
        self.write(name, pa.concat_tables([self.rows(name), row]))
        self.count(name, added=1)

    def count(self, name: str, **more: int) -> None:
        counts = self.changes.counts[name]
        counts = msgspec.structs.replace(counts, **{kind: getattr(counts, kind) + by for kind, by in more.items()})
        self._keep(counts={**self.changes.counts, name: counts})

    def without(self, name: str) -> None:
        """As if nothing happened to a table."""
        counts = self.changes.counts[name]
        nothing = dict.fromkeys(("added", "changed", "returned", "missing", "removed"), 0)
        self.write(name, self.rows(name).slice(0, 0))
        self._keep(counts={**self.changes.counts, name: msgspec.structs.replace(counts, **nothing)})

    def _keep(self, **changed: Any) -> None:
        self.changes = msgspec.structs.replace(self.changes, **changed)
        save(self.folder, self.changes)


def _drops(name: str) -> Callable[[Tampered], None]:
    return lambda made: made.without(name)


def _nobody_left_out(made: Tampered) -> None:
    made.write("left_out", LEFT_OUT_SCHEMA.empty_table())


def _left_out_too(made: Tampered) -> None:
    known = read_rows(made.folder, made.changes.left_out, LEFT_OUT_SCHEMA)
    more = pa.Table.from_pylist([{"user_sourced_id": "ada", "reason": "no_role", "detail": ""}], LEFT_OUT_SCHEMA)
    made.write("left_out", pa.concat_tables([known, more]))


def _changes(name: str, kind: str, **values: str) -> Callable[[Tampered], None]:
    return lambda made: made.change(name, kind, **values)


#: Name, code, whether a delta shows it as well, and how the change set is tampered with.
TAMPERED: list[tuple[str, str, bool, Callable[[Tampered], None]]] = [
    *(
        (f"{name} outlive their person", "owner_not_live", True, _drops(name))
        for name in ("user_roles", "enrollments", "demographics", "accounts")
    ),
    ("an enrollment of nobody", "owner_not_live", True, _changes("enrollments", "added", user_sourced_id="x")),
    ("an enrollment in no class", "owner_not_live", True, _changes("enrollments", "added", class_sourced_id="x")),
    (
        "another's username",
        "username_shared",
        True,
        _changes("accounts", "changed", username="ADA@elm.example", username_key="ada@elm.example"),
    ),
    (
        "two usernames",
        "usernames_differ",
        True,
        lambda made: made.again("accounts", site_id="b", username="b@x", username_key="b@x"),
    ),
    ("neither", "left_out_contradicts", True, _nobody_left_out),
    ("both", "left_out_contradicts", True, _left_out_too),
    ("a count that is wrong", "counts_differ", True, lambda made: made.count("users", changed=1)),
    ("a change of nobody", "counts_differ", True, _changes("users", "changed", sourced_id="x")),
    ("a count of before", "counts_differ", False, lambda made: made.count("users", published=1)),
    ("a mapping that is not published", "accounts_differ", False, _changes("accounts", "changed", email="x")),
]


def _first(roster: Any) -> dict[str, Any]:
    return {**roster("ada", "ben", "cid", "dot"), "demographics": [{"sourced_id": "ben", "sex": "male"}]}


def _tonight(roster: Any) -> dict[str, Any]:
    """Ben leaves, cid gets another name, dot loses the e-mail, eve comes."""
    rows = roster("ada", "ben", "cid", "dot", "eve")
    rows["users"][1] = {"sourced_id": "ben", **TOMBSTONE}
    rows["users"][2]["email"] = "sid@elm.example"
    rows["users"][3]["email"] = None
    rows["user_roles"] = [row for row in rows["user_roles"] if row["user_sourced_id"] != "ben"]
    rows["enrollments"] = [row for row in rows["enrollments"] if row["user_sourced_id"] != "ben"]
    return {**rows, "demographics": []}


def _refused(nights: Any, ref: PullRef) -> RollcallError:
    with pytest.raises(ActionRequired) as caught, recorded_stage(nights.engine, "elm", ref.run_id, "publish"):
        run.publish_night(nights.engine, nights.district, ref, nights.landing)
    return caught.value


@pytest.mark.parametrize("delta", [False, True], ids=["full", "delta"])
def test_each_invariant_publishes_nothing_and_fails_the_run(nights, roster, glance, delta):
    nights.publish(_first(roster))
    ref = nights.prepare(_tonight(roster), delta=delta)
    run.map_night(nights.engine, nights.district, ref, nights.landing)
    right, before = load(ref.folder(nights.landing), ChangeSet), glance(nights.engine)
    for name, code, is_seen_by_delta, tamper in TAMPERED:
        if delta and not is_seen_by_delta:
            continue
        save(ref.folder(nights.landing), right)
        tamper(Tampered(nights, ref))
        error = _refused(nights, ref)
        assert error.code == code, name
        assert "--full" in error.remedy
        assert glance(nights.engine) == before, name
        ledger = f"SELECT (status, error_code)::text FROM roster_ops.runs WHERE run_id = '{ref.run_id}'"
        assert nights.scalar(ledger) == f"(failed,{code})", name
    save(ref.folder(nights.landing), right)
    assert run.publish_night(nights.engine, nights.district, ref, nights.landing).status == "published"
    assert {code for _, code, _, _ in TAMPERED} == set(INVARIANTS)


def test_a_first_publication_never_joins_row_by_row(nights, roster, monkeypatch):
    """Without statistics, PostgreSQL joined 16,000 new accounts with each other for more than nine minutes."""
    plans, settings = [], []
    count, constraints = invariants._count, invariants._require_constraints

    def explained(connection: sa.Connection, scope: Any, query: str) -> int:
        explain = sa.text(f"EXPLAIN {query}")
        plans.append("\n".join(connection.scalars(explain, {"district": scope.district})))
        return count(connection, scope, query)

    def at_end(connection: sa.Connection, scope: Any, remedy: str) -> None:
        settings.append(connection.exec_driver_sql("SHOW enable_nestloop").scalar_one())
        constraints(connection, scope, remedy)

    monkeypatch.setattr(invariants, "_count", explained)
    monkeypatch.setattr(invariants, "_require_constraints", at_end)
    nights.publish(_first(roster))
    assert len(plans) > 5
    assert not [plan for plan in plans if "Nested Loop" in plan]
    assert settings == ["on"]


def test_a_rollback_to_what_contradicts_itself_changes_nothing_and_fails(nights, roster, glance):
    nights.publish(_first(roster))
    nights.publish(_tonight(roster))
    with nights.engine.begin() as connection:
        gone = "UPDATE roster_history.users_published SET _removed_at = now() WHERE sourced_id = 'ben'"
        assert connection.execute(sa.text(gone)).rowcount == 1
    before = glance(nights.engine)
    with pytest.raises(ActionRequired) as caught:
        rollback(nights.engine, nights.district, nights.landing, "back", "run1")
    assert caught.value.code == "owner_not_live"
    assert glance(nights.engine) == before
    assert nights.scalar("SELECT (status, error_code)::text FROM roster_ops.runs WHERE run_id = 'back'") == (
        "(failed,owner_not_live)"
    )


def test_retention_deletes_nothing_where_the_roster_contradicts_itself(nights, roster):
    nights.publish(_first(roster))
    nights.publish(_tonight(roster))
    with nights.engine.begin() as connection:
        connection.execute(sa.text("UPDATE roster_staging.users SET _removed_at = NULL WHERE sourced_id = 'ben'"))
        connection.execute(sa.text("UPDATE roster_staging.enrollments SET _removed_at = NULL"))
        connection.execute(sa.text("UPDATE roster_staging.users SET _removed_at = now() WHERE sourced_id = 'ben'"))
    later = nights.began.replace(year=2030)
    with pytest.raises(ActionRequired) as caught:
        sweep(nights.engine, nights.district, nights.landing, later)
    assert caught.value.code == "owner_not_live"
    assert nights.scalar("SELECT count(*) FROM roster_staging.users WHERE sourced_id = 'ben'") == 1


def test_the_database_itself_refuses_a_second_account_with_a_username_at_a_site(nights, roster):
    nights.publish(roster("ada", "ben"))
    rename = sa.text("UPDATE roster_staging.accounts SET username_key = :name WHERE user_sourced_id = :who")
    with pytest.raises(sa.exc.IntegrityError), nights.engine.begin() as connection:
        connection.execute(rename, {"name": "ada@elm.example", "who": "ben"})
    with nights.engine.begin() as connection:  # an exchange within a transaction is none
        connection.execute(rename, {"name": "ben@elm.example", "who": "ada"})
        connection.execute(rename, {"name": "ada@elm.example", "who": "ben"})
