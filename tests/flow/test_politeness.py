"""Request limits, as the provider counts them: a maximum at once in total, and one in peak hours."""

from __future__ import annotations

import threading
from datetime import UTC, datetime

import pytest
import sqlalchemy as sa

from rollcall.extract.pull import FULL_PULL
from rollcall.landing.zone import Landing
from rollcall.oneroster.client import OneRosterClient
from rollcall.oneroster.connection import OneRosterConnection
from rollcall.pipeline import run
from rollcall.settings import District, find_district
from rollcall.warehouse.lease import HostLease
from tests.flow.conftest import CEDAR, MAPLE

OFF_PEAK = datetime(2026, 11, 21, 8, tzinfo=UTC)  # 02:00 in Chicago
PEAK = datetime(2026, 11, 21, 18, tzinfo=UTC)

#: Requests to a path that is none, which the sandbox does not count: where the Base URL lacks the service's path.
PROBES = {"maple": 1, "cedar": 0}


@pytest.fixture
def small_pages(ready, district_file) -> tuple[District, District]:
    """Both districts with many small pages; answers of the sandbox that take a moment, so that requests overlap."""
    for district in (MAPLE, CEDAR):
        district_file(district, "extract: {page_size: 60, concurrency: 3}\n")
    return find_district("maple"), find_district("cedar")


def _pull(engine: sa.Engine, district: District, folder: str, at: datetime) -> dict[str, int]:
    connection = OneRosterConnection.from_environment(district.connection_id)
    with (
        HostLease(engine.url, district, now=lambda: at) as lease,
        OneRosterClient(connection, budget=lease, **district.client_options()) as client,
    ):
        run.extract_night(client, district, Landing(folder), run_id=f"run-{district.district}", plan=FULL_PULL)
        return {"requests": client.usage.requests, "in_peak": lease.requests_in_peak}


@pytest.mark.parametrize(("at", "most"), [(OFF_PEAK, 3), (PEAK, 1)], ids=["off-peak", "peak"])
def test_two_districts_of_one_host_share_its_budget(ready, sandbox, small_pages, tmp_path, at, most):
    for app in ("maple", "cedar"):
        sandbox.set_quirks(app, ["slow-answers"])
    asked: dict[str, dict[str, int]] = {}
    threads = [
        threading.Thread(
            target=lambda d=district: asked.update({d.district: _pull(ready, d, str(tmp_path / d.district), at)})
        )
        for district in small_pages
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert set(asked) == {"maple", "cedar"}
    seen = {app: sandbox.seen(app) for app in asked}
    assert seen["maple"]["most_at_once_on_host"] == most
    for app, counted in asked.items():
        assert counted["requests"] == sum(seen[app]["requests"].values()) + seen[app]["token_requests"] + PROBES[app]
        assert counted["in_peak"] == (counted["requests"] if at is PEAK else 0)


def test_the_ledger_tells_what_the_provider_saw(ready, sandbox, small_pages):
    from click.testing import CliRunner

    from rollcall.cli.main import rollcall

    assert CliRunner().invoke(rollcall, ["sync", "maple"]).exit_code == 0
    seen = sandbox.seen("maple")
    with ready.connect() as connection:
        row = connection.execute(sa.text("SELECT requests, most_at_once FROM roster_ops.runs")).one()
    assert row.requests == sum(seen["requests"].values()) + seen["token_requests"] + PROBES["maple"]
    assert row.most_at_once <= 3


def test_where_the_service_answers_and_the_largest_limit_are_remembered_from_night_to_night(
    ready, sandbox, district_file
):
    """The limit of 250 is refused, one of 1 accepted, 200 refused and 100 accepted: three requests, the first night."""
    from click.testing import CliRunner

    from rollcall.cli.main import rollcall

    district_file(MAPLE, "extract: {page_size: 250}\n")
    sandbox.set_quirks("maple", ["limit-refused-400"])
    for _ in range(2):
        assert CliRunner().invoke(rollcall, ["sync", "maple", "--full"]).exit_code == 0
    with ready.connect() as connection:
        first, second = connection.execute(
            sa.text("SELECT requests FROM roster_ops.runs ORDER BY started_at")
        ).scalars()
        limit = connection.execute(sa.text("SELECT profile -> 'largest_limit' FROM roster_ops.provider_profiles"))
        assert limit.scalar_one() == 100
    assert second == first - PROBES["maple"] - 3
