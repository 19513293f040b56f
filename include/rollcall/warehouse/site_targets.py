"""The vendor's sites, if a query on the warehouse returns them (`sites: {query: …}` of a district)."""

from __future__ import annotations

import msgspec
import sqlalchemy as sa

from rollcall.errors import ActionRequired
from rollcall.settings import District, Sites
from rollcall.settings.sections import EXCLUDE, UNDECIDED

_TIMEOUT_SECONDS = 60

#: The most unknown sites that an error lists.
_LISTED = 5


def resolve_site_targets(connection: sa.Connection, district: District) -> District:
    """The district with the query's rows as site targets, for mapping and `rules_digest`.

    The query is read-only and has a limit of one minute.

    :param connection: in a transaction, which stays unchanged.
    :raises ActionRequired: `sites_query` when it cannot be run or returns no usable sites; `site_unknown` when a school
        is mapped to a site it does not return.
    """
    sites = district.sites
    if sites is None or not sites.query:
        return district
    names = _run_query(connection, district, sites.query)
    sites = msgspec.structs.replace(sites, map=sites.map_by_id(names))
    if unknown := sites.unknown(names):
        schools = [f"{org} {Sites.unknown_problem(site, names)[0]}" for org, site in unknown.items()]
        count = f"{len(unknown)} schools are" if len(unknown) > 1 else "One school is"
        more = f"; and {len(unknown) - _LISTED:,} more" if len(unknown) > _LISTED else ""
        raise ActionRequired(
            "site_unknown",
            f"{count} mapped to a site that sites.query does not return: {'; '.join(schools[:_LISTED])}{more}.",
            remedy=f"Under sites.map in {district.district}.yaml, give a site's ID or name, exclude, or undecided; or "
            "correct the table that the query reads. Until then, the published roster does not change.",
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
