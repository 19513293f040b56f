"""The vendor's sites from a query on the warehouse: read when accounts are mapped, and nothing else is done by it."""

from __future__ import annotations

import pytest
import sqlalchemy as sa

from rollcall.errors import ActionRequired
from rollcall.settings import District, Sites
from rollcall.warehouse.site_targets import resolve_site_targets

QUERY = 'sites:\n  query: "SELECT code, label FROM vendor.sites;"\n  map: {north: "L", south: "M", annex: exclude}\n'


@pytest.fixture
def vendor(engine: sa.Engine) -> sa.Engine:
    with engine.begin() as connection:
        connection.exec_driver_sql("CREATE SCHEMA vendor")
        connection.exec_driver_sql("CREATE TABLE vendor.sites (code text, label text)")
        connection.exec_driver_sql("INSERT INTO vendor.sites VALUES ('L', 'Lincoln 100%%'), ('M', NULL)")
    return engine


def _run(engine: sa.Engine, statement: str) -> None:
    with engine.begin() as connection:
        connection.exec_driver_sql(statement)


def test_ids_and_names_come_from_the_query(elm, command, vendor):
    elm.says(QUERY)
    elm.publish()
    assert elm.accounts() == {"ada": ["L"], "ben": ["L"], "cid": ["M"], "eve": ["L"], "fay": ["M"]}
    assert set(elm.nights.live("accounts", "site_name")) == {"Lincoln 100%", "M"}
    assert "L (Lincoln 100%)" in command("sites", "list", "elm").stdout


def test_a_school_is_mapped_to_a_site_of_the_query_by_its_name(elm, vendor):
    elm.says(QUERY.replace('"L"', '"lincoln 100%"'))
    elm.publish()
    assert elm.accounts() == {"ada": ["L"], "ben": ["L"], "cid": ["M"], "eve": ["L"], "fay": ["M"]}


def test_another_answer_is_another_rule_set(elm, vendor):
    digest = "SELECT rules_digest FROM roster_ops.state"
    elm.says(QUERY)
    elm.publish()
    first = elm.nights.scalar(digest)
    elm.publish()
    assert elm.nights.scalar(digest) == first
    _run(vendor, "UPDATE vendor.sites SET label = 'Lincoln' WHERE code = 'L'")
    elm.publish()
    assert elm.nights.scalar(digest) != first
    assert set(elm.nights.live("accounts", "site_name")) == {"Lincoln", "M"}


def test_a_site_the_query_does_not_yield_names_the_nearest(elm, vendor):
    elm.says(QUERY.replace('"M"', '"Mm"'))
    with pytest.raises(ActionRequired) as caught:
        elm.publish()
    assert caught.value.code == "site_unknown"
    assert "south is 'Mm', which is not a site (did you mean 'M'?)" in caught.value.message
    assert elm.accounts() == {}


def test_a_site_the_query_stops_yielding_is_named_with_what_to_do_and_nobody_loses_an_account(elm, vendor):
    elm.says(QUERY)
    elm.publish()
    before = elm.accounts()
    _run(vendor, "DELETE FROM vendor.sites WHERE code = 'M'")
    with pytest.raises(ActionRequired) as caught:
        elm.publish()
    assert caught.value.code == "site_unknown"
    assert "One school is mapped" in caught.value.message
    assert "south is 'M'" in caught.value.message
    assert "elm.yaml" in caught.value.remedy
    assert elm.accounts() == before
    elm.says("south: exclude", 'south: "M"')
    elm.publish()
    assert set(elm.accounts()) == {who for who, sites in before.items() if sites != ["M"]}


@pytest.mark.parametrize(
    ("query", "shown"),
    [
        ("SELECT code FROM vendor.nowhere", 'relation "vendor.nowhere" does not exist'),
        ("SELEKT", "syntax error"),  # codespell:ignore
        ("SELECT code, label FROM vendor.sites WHERE false", "returns no rows"),
        ("SELECT code, label, 1 FROM vendor.sites", "at most one more column"),
        ("SELECT NULL", "every row must have an ID"),
        ("SELECT 'a' FROM vendor.sites", "some IDs twice"),
        ("SELECT 'exclude'", "which is reserved"),
        ("SELECT label::int FROM vendor.sites", "22P02"),
        ("DELETE FROM vendor.sites RETURNING code", "syntax error"),
        ("WITH gone AS (DELETE FROM vendor.sites RETURNING code) SELECT code FROM gone", "0A000"),
        ("SELECT nextval('vendor.counter')", "25006"),
        ("SELECT code FROM vendor.sites) AS s; DELETE FROM vendor.sites; SELECT (1", "cannot insert multiple commands"),
    ],
)
def test_a_query_that_cannot_be_used_says_why_and_has_done_nothing(vendor, query, shown):
    _run(vendor, "CREATE SEQUENCE vendor.counter")
    sites = Sites(query=query, map={"north": "L"})
    district = District(district="elm", name="Elm", version="1.2", usernames="email", sites=sites)
    with vendor.begin() as connection:
        with pytest.raises(ActionRequired) as caught:
            resolve_site_targets(connection, district)
        connection.exec_driver_sql("CREATE TEMP TABLE may_still_write (it text)")
    assert caught.value.code == "sites_query"
    assert shown in caught.value.message
    assert "Lincoln" not in str(caught.value)
    with vendor.connect() as connection:
        assert connection.exec_driver_sql("SELECT count(*) FROM vendor.sites").scalar() == 2
        assert connection.exec_driver_sql("SELECT is_called FROM vendor.counter").scalar() is False
