"""The invariants of a published roster, checked in the publishing transaction before its commit (rule 5).

If one is broken, the transaction is rolled back, the published roster stays, and the run fails with the invariant's
code. Each check is one set-based statement. After a delta it checks the written rows and their dependents, by index.
After a full pull, a rollback, or a first publication it checks all rows. `ex_accounts_username` in the
database backs one of them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

import pyarrow as pa
import sqlalchemy as sa

from rollcall.errors import ActionRequired
from rollcall.landing.change_set import TableCounts
from rollcall.model.tables import TABLES, Table
from rollcall.warehouse.bulk import copy_in
from rollcall.warehouse.history import touched_table
from rollcall.warehouse.models import EMAIL, IDENTIFIER, UNUSUAL_EMAIL, staging
from rollcall.warehouse.schemas import OPS, STAGING
from rollcall.warehouse.session import temp_table, update_statistics

#: The message of each code. `{count}` is the number of wrong rows.
INVARIANTS: dict[str, str] = {
    "owner_not_live": "{count:,} live rows of {table} would belong to a record that is not live",
    "username_shared": "{count:,} accounts would share the username of another person",
    "usernames_differ": "{count:,} people would have two different usernames",
    "left_out_contradicts": "{count:,} people would have both an account and a reason for none, or neither",
    "counts_differ": "the counts of {table} would differ from the table by {count:,} rows",
    "accounts_differ": "{count:,} accounts would differ from the mapping of all people",
}


@dataclass(frozen=True)
class Scope:
    """The rows to check.

    :param is_whole: all rows of the district. Otherwise those in the tables `touched_<table>` of this publication.
    :param by_email: records with the same email address can be one person.
    """

    district: str
    is_whole: bool
    by_email: bool = False


def check_roster(connection: sa.Connection, scope: Scope, *, remedy: str, knows_left_out: bool = True) -> None:
    """Check the roster after any write to it.

    :param knows_left_out: whether the list of people left out is current. After a rollback it may not be.
    :raises ActionRequired: with a code of `INVARIANTS`.
    """
    if not scope.is_whole:
        for table in TABLES.values():
            connection.exec_driver_sql(touched_table(table))
    with _whole_tables(connection, scope):
        for table in TABLES.values():
            for column, owner in table.owners.items():
                count = sum(_count(connection, scope, query) for query in _without_owner(table, column, owner, scope))
                _require(count, "owner_not_live", scope, remedy, table=table.name)
        _require(_count(connection, scope, _shared_usernames(scope)), "username_shared", scope, remedy)
        _require(_count(connection, scope, _different_usernames(scope)), "usernames_differ", scope, remedy)
        if knows_left_out:
            _require(_count(connection, scope, _in_both_or_neither(scope)), "left_out_contradicts", scope, remedy)
    _require_constraints(connection, scope, remedy)


@contextmanager
def _whole_tables(connection: sa.Connection, scope: Scope) -> Iterator[None]:
    """With a whole scope, join whole tables instead of looking up each row.

    PostgreSQL has no statistics about rows that this transaction added. It expected a few accounts, and joined 16,000
    with each other for more than nine minutes. The transaction gets its setting back.
    """
    if not scope.is_whole:
        yield
        return
    setting = "SELECT set_config('enable_nestloop', %s, true)"
    before = connection.exec_driver_sql("SHOW enable_nestloop").scalar_one()
    connection.exec_driver_sql(setting, ("off",))
    yield
    connection.exec_driver_sql(setting, (before,))


def check_counts(
    connection: sa.Connection,
    scope: Scope,
    table: str,
    counts: TableCounts,
    written: Mapping[str, int],
    remedy: str,
) -> None:
    """Check a run's counts against the rows it wrote and, with a whole scope, against the table.

    :param counts: the counts for the ledger.
    :param written: rows written per kind of change.
    :raises ActionRequired: `counts_differ`.
    """
    kinds = ("added", "changed", "returned", "missing", "removed")
    difference = sum(abs(written.get(kind, 0) - getattr(counts, kind)) for kind in kinds)
    if not difference and scope.is_whole:
        live = staging[table].c._removed_at.is_(None)
        counting = sa.select(sa.func.count()).where(staging[table].c.district_id == scope.district, live)
        difference = abs(
            connection.execute(counting).scalar_one()
            - counts.published
            - counts.added
            - counts.returned
            + counts.removed
        )
    _require(difference, "counts_differ", scope, remedy, table=table)


def check_accounts(connection: sa.Connection, scope: Scope, expected: pa.Table, remedy: str) -> None:
    """Check that accounts equal the mapping of all people, plus the accounts that a hold keeps unchanged.

    :param expected: the compared columns of accounts, including the key.
    :raises ActionRequired: `accounts_differ`.
    """
    table = TABLES["accounts"]
    columns = {name: staging["accounts"].c[name].type.compile(connection.dialect) for name in expected.column_names}
    typed = ", ".join(f'"{name}" {kind}' for name, kind in columns.items())
    connection.exec_driver_sql(temp_table("expected_accounts", typed))
    connection.exec_driver_sql("TRUNCATE expected_accounts")
    if expected.num_rows:
        copy_in(connection, "expected_accounts", expected)
    connection.exec_driver_sql(update_statistics("expected_accounts"))
    match = " AND ".join(f'e."{name}" = r."{name}"' for name in table.key)
    own, other = (", ".join(f'{which}."{name}"' for name in columns) for which in "re")
    query = f"""
        SELECT count(*) FROM (SELECT * FROM {STAGING}.accounts WHERE district_id = :district AND _removed_at IS NULL) r
        FULL JOIN expected_accounts e ON {match} WHERE ({own}) IS DISTINCT FROM ({other})"""
    _require(_count(connection, scope, query), "accounts_differ", scope, remedy)


def _without_owner(table: Table, column: str, owner: str, scope: Scope) -> Iterator[str]:
    """Live rows whose owner is not live. Skipped if the district has no rows of the owner's table."""
    name = f"{STAGING}.{table.name}"
    owners_exist = f"EXISTS (SELECT FROM {STAGING}.{owner} WHERE district_id = :district)"
    is_orphan = f"""r.district_id = :district AND r._removed_at IS NULL AND NOT EXISTS (SELECT FROM {STAGING}.{owner} o
        WHERE o.district_id = :district AND o.sourced_id = r."{column}" AND o._removed_at IS NULL)"""
    if scope.is_whole:
        yield f"SELECT count(*) FROM {name} r WHERE {owners_exist} AND {is_orphan}"
        return
    match = " AND ".join(f'k."{one}" = r."{one}"' for one in table.key)
    yield f"SELECT count(*) FROM touched_{table.name} k JOIN {name} r ON {match} WHERE {owners_exist} AND {is_orphan}"
    yield f"""SELECT count(*) FROM touched_{owner} k JOIN {name} r ON r."{column}" = k.sourced_id
        WHERE k._change = 'removed' AND {is_orphan}"""


def _shared_usernames(scope: Scope) -> str:
    """Accounts whose username another person has, compared by `username_key`.

    Records with the same identifier can be one person. So can records with the same email address, if the district
    allows it. The values on the accounts count, because held accounts keep the values they were made with.
    """
    own, other = IDENTIFIER.format("r.identifier"), IDENTIFIER.format("o.identifier")
    by_email = f"({EMAIL.format('r.email')} = {EMAIL.format('o.email')} OR {_unusual('r')} AND {_unusual('o')})"
    alike = f"AND NOT coalesce({by_email}, FALSE)" if scope.by_email else ""
    return f"""
        SELECT count(*) FROM {_accounts(scope)} JOIN {STAGING}.accounts o
            ON o.district_id = :district AND o.username_key = r.username_key
            AND o.user_sourced_id <> r.user_sourced_id AND o._removed_at IS NULL
            AND NOT coalesce({own} = {other} AND {own} <> '', FALSE) {alike}
        WHERE r.district_id = :district AND r._removed_at IS NULL"""


def _unusual(alias: str) -> str:
    """Whether only Python can compare the email address."""
    return UNUSUAL_EMAIL.format(f"{alias}.email")


def _different_usernames(scope: Scope) -> str:
    return f"""
        SELECT count(DISTINCT r.user_sourced_id) FROM {_accounts(scope)} JOIN {STAGING}.accounts o
            ON o.district_id = :district AND o.user_sourced_id = r.user_sourced_id
            AND o.username_key <> r.username_key AND o._removed_at IS NULL
        WHERE r.district_id = :district AND r._removed_at IS NULL"""


def _accounts(scope: Scope) -> str:
    if scope.is_whole:
        return f"{STAGING}.accounts r"
    key = "k.user_sourced_id = r.user_sourced_id AND k.site_id = r.site_id"
    return f"touched_accounts k JOIN {STAGING}.accounts r ON r.district_id = :district AND {key}"


def _in_both_or_neither(scope: Scope) -> str:
    """Live people have either an account or a reason for none. Other people have neither."""
    if scope.is_whole:
        people = f"""SELECT u.sourced_id AS user_id FROM {STAGING}.users u
            WHERE u.district_id = :district AND u._removed_at IS NULL
            UNION SELECT l.user_sourced_id FROM {OPS}.left_out l WHERE l.district_id = :district"""
    else:
        people = """SELECT sourced_id AS user_id FROM touched_users UNION SELECT user_sourced_id FROM touched_accounts
            UNION SELECT user_sourced_id FROM touched_left_out"""
    return f"""
        SELECT count(*) FROM (
            SELECT EXISTS (SELECT FROM {STAGING}.users u WHERE u.district_id = :district
                    AND u.sourced_id = p.user_id AND u._removed_at IS NULL) AS is_live,
                EXISTS (SELECT FROM {STAGING}.accounts a WHERE a.district_id = :district
                    AND a.user_sourced_id = p.user_id AND a._removed_at IS NULL) AS has_account,
                EXISTS (SELECT FROM {OPS}.left_out l WHERE l.district_id = :district
                    AND l.user_sourced_id = p.user_id) AS is_left_out
            FROM ({people}) p) found
        WHERE CASE WHEN is_live THEN has_account = is_left_out ELSE is_left_out END"""


def _require_constraints(connection: sa.Connection, scope: Scope, remedy: str) -> None:
    """Check deferred constraints now instead of at the commit, to fail with a clear error."""
    try:
        connection.exec_driver_sql("SET CONSTRAINTS ALL IMMEDIATE")
    except sa.exc.IntegrityError:
        raise _broken("username_shared", 1, scope, remedy) from None


def _count(connection: sa.Connection, scope: Scope, query: str) -> int:
    return int(connection.execute(sa.text(query), {"district": scope.district}).scalar_one())


def _require(count: int, code: str, scope: Scope, remedy: str, *, table: str = "accounts") -> None:
    if count:
        raise _broken(code, count, scope, remedy, table=table)


def _broken(code: str, count: int, scope: Scope, remedy: str, *, table: str = "accounts") -> ActionRequired:
    what = INVARIANTS[code].format(count=count, table=table)
    return ActionRequired(
        code,
        f"The roster of {scope.district} would be inconsistent: {what}.",
        remedy=remedy,
        district=scope.district,
    )
