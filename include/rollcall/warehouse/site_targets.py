"""The vendor's sites where a query on the warehouse yields them (`sites: {query: …}` of a district)."""

from __future__ import annotations

import difflib

import msgspec
import sqlalchemy as sa

from rollcall.errors import ActionRequired
from rollcall.settings import District, Sites
from rollcall.settings.sections import EXCLUDE, UNDECIDED

_SECONDS = 60


def resolve_site_targets(connection: sa.Connection, district: District) -> District:
    """The district with the query's answer as its targets, so that mapping and `rules_digest` see plain targets.

    The query may read and nothing else, and is given a minute.

    :param connection: in a transaction; it is left as it was.
    :raises ActionRequired: `sites_query` when it cannot be run or yields no usable sites; `site_unknown` when a school
    is
        mapped to a site it does not yield.
    """
    sites = district.sites
    if sites is None or not sites.query:
        return district
    names = _answer(connection, district, sites.query)
    if unknown := sites.unknown(names):
        org, site = next(iter(unknown.items()))
        near = difflib.get_close_matches(site, list(names), n=1, cutoff=0.5)
        more = f" So are {len(unknown) - 1} others." if len(unknown) > 1 else ""
        raise ActionRequired(
            "site_unknown",
            f"The school {org} is mapped to the site {site!r}, which the query for sites does not yield.{more}",
            remedy=(f"The nearest it yields is {near[0]!r} ({names[near[0]]}). " if near else "")
            + f"Mend the line of {org} under sites.map in {district.district}.yaml (a site the query yields, exclude "
            "or undecided), or the table the query reads; until then readers keep the roster they have.",
            district=district.district,
        )
    answered = Sites(targets=names, map=sites.map)
    return msgspec.structs.replace(district, sites=answered)


def _answer(connection: sa.Connection, district: District, query: str) -> dict[str, str]:
    """Site id to name, as the query has them, ordered by id."""
    bound = query.strip().rstrip(";").replace("%", "%%")
    # a parameter makes psycopg send one statement, so that the text cannot end this one and begin another
    statement = f"SELECT * FROM (\n{bound}\n) AS sites LIMIT %(most)s"
    savepoint = connection.begin_nested()
    try:
        connection.exec_driver_sql("SET LOCAL transaction_read_only = on")
        connection.exec_driver_sql(f"SET LOCAL statement_timeout = '{_SECONDS}s'")
        rows = [tuple(row) for row in connection.exec_driver_sql(statement, {"most": 100_000})]
    except sa.exc.DBAPIError as exc:
        if exc.connection_invalidated:
            raise
        raise _refused(district, _told(exc)) from None
    finally:
        savepoint.rollback()
    if not rows:
        raise _refused(district, "it yields no row")
    if len(rows[0]) > 2 or any(row[0] is None for row in rows):
        raise _refused(district, "it must yield an id in every row and beside it at most a name")
    names = {str(row[0]): str(row[-1] if row[-1] is not None else row[0]) for row in rows}
    if len(names) < len(rows):
        raise _refused(district, "it yields some ids twice")
    if taken := {EXCLUDE, UNDECIDED} & set(names):
        raise _refused(district, f"it yields the id {', '.join(sorted(taken))}, which has a meaning of its own")
    return dict(sorted(names.items()))


def _told(exc: sa.exc.DBAPIError) -> str:
    """What PostgreSQL says about the statement itself; of everything else, which may quote a row, the code only."""
    sqlstate = str(getattr(exc.orig, "sqlstate", "") or "")
    if sqlstate == "57014":
        return f"it has no answer after {_SECONDS} seconds"
    diag = getattr(exc.orig, "diag", None)
    if sqlstate.startswith("42") and diag is not None and diag.message_primary:
        return str(diag.message_primary)
    return f"PostgreSQL refuses it with {sqlstate or type(exc.orig).__name__}"


def _refused(district: District, why: str) -> ActionRequired:
    return ActionRequired(
        "sites_query",
        f"The query for the sites of {district.name} cannot be used: {why}.",
        remedy=f"Mend sites.query in {district.district}.yaml; it looks like SELECT id, name FROM vendor.sites.",
        district=district.district,
    )
