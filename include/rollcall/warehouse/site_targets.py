"""The vendor's sites where a query on the warehouse yields them (`sites: {query: …}` of a district)."""

from __future__ import annotations

import difflib

import msgspec
import sqlalchemy as sa

from rollcall.errors import ActionRequired
from rollcall.settings import District, Sites
from rollcall.settings.sections import EXCLUDE, UNDECIDED

_TIMEOUT_SECONDS = 60


def resolve_site_targets(connection: sa.Connection, district: District) -> District:
    """The district with the query's rows as site targets, for mapping and `rules_digest`.

    The query is read-only and has a limit of one minute.

    :param connection: in a transaction, which stays unchanged.
    :raises ActionRequired: `sites_query` when it cannot be run or yields no usable sites; `site_unknown` when a school
    is
        mapped to a site it does not yield.
    """
    sites = district.sites
    if sites is None or not sites.query:
        return district
    names = _run_query(connection, district, sites.query)
    if unknown := sites.unknown(names):
        org, site = next(iter(unknown.items()))
        near = difflib.get_close_matches(site, list(names), n=1, cutoff=0.5)
        more = f" So are {len(unknown) - 1} other schools." if len(unknown) > 1 else ""
        raise ActionRequired(
            "site_unknown",
            f"The school {org} is mapped to the site {site!r}, which sites.query does not return.{more}",
            remedy=(f"The closest site is {near[0]!r} ({names[near[0]]}). " if near else "")
            + f"Fix the line of {org} under sites.map in {district.district}.yaml (a site from the query, exclude or "
            "undecided), or the table the query reads; until then the published roster stays.",
            district=district.district,
        )
    resolved = Sites(targets=names, map=sites.map)
    return msgspec.structs.replace(district, sites=resolved)


def _run_query(connection: sa.Connection, district: District, query: str) -> dict[str, str]:
    """Site ID to name from the query, ordered by ID."""
    bound = query.strip().rstrip(";").replace("%", "%%")
    # with a parameter psycopg allows one statement only, so the text cannot start a second one
    statement = f"SELECT * FROM (\n{bound}\n) AS sites LIMIT %(most)s"
    savepoint = connection.begin_nested()
    try:
        connection.exec_driver_sql("SET LOCAL transaction_read_only = on")
        connection.exec_driver_sql(f"SET LOCAL statement_timeout = '{_TIMEOUT_SECONDS}s'")
        rows = [tuple(row) for row in connection.exec_driver_sql(statement, {"most": 100_000})]
    except sa.exc.DBAPIError as exc:
        if exc.connection_invalidated:
            raise
        raise _query_error(district, _describe_error(exc)) from None
    finally:
        savepoint.rollback()
    if not rows:
        raise _query_error(district, "it returns no rows")
    if len(rows[0]) > 2 or any(row[0] is None for row in rows):
        raise _query_error(district, "every row must have an ID and at most one more column, the name")
    names = {str(row[0]): str(row[-1] if row[-1] is not None else row[0]) for row in rows}
    if len(names) < len(rows):
        raise _query_error(district, "it returns some IDs twice")
    if taken := {EXCLUDE, UNDECIDED} & set(names):
        raise _query_error(district, f"it returns the ID {', '.join(sorted(taken))}, which is reserved")
    return dict(sorted(names.items()))


def _describe_error(exc: sa.exc.DBAPIError) -> str:
    """PostgreSQL's message for an error in the statement. Only the code for other errors, which can quote a row."""
    sqlstate = str(getattr(exc.orig, "sqlstate", "") or "")
    if sqlstate == "57014":
        return f"it did not finish in {_TIMEOUT_SECONDS} seconds"
    diag = getattr(exc.orig, "diag", None)
    if sqlstate.startswith("42") and diag is not None and diag.message_primary:
        return str(diag.message_primary)
    return f"PostgreSQL rejects it with {sqlstate or type(exc.orig).__name__}"


def _query_error(district: District, why: str) -> ActionRequired:
    return ActionRequired(
        "sites_query",
        f"sites.query of {district.name} does not work: {why}.",
        remedy=f"Fix sites.query in {district.district}.yaml, for example SELECT id, name FROM vendor.sites.",
        district=district.district,
    )
