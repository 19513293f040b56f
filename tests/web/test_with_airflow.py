"""The page in a real Airflow and a real browser: sign in, sync now with progress, the tab of a DAG, links of tasks."""

from __future__ import annotations

import pytest
import sqlalchemy as sa
from playwright.sync_api import expect

from tests.browser import open_page

pytestmark = [pytest.mark.scheduler, pytest.mark.timeout(900)]

#: Milliseconds for a run of five tasks on busy cores.
_RUN = 240_000


def test_a_dry_run_from_sign_in_to_its_changes(stack, browser):
    airflow = stack.airflow
    page, errors = open_page(browser.new_context())
    page.goto(f"{airflow.api_url}/rosters/districts/cedar/sync")
    page.locator("input[name=username]").fill(airflow.user)
    page.locator("input[name=password]").fill(airflow.password)
    page.locator("button[type=submit]").click()
    page.wait_for_url("**/rosters/districts/cedar/sync")
    page.get_by_label("Dry run first").check()
    page.get_by_role("button", name="Start").click()
    expect(page.get_by_role("heading", name="Done. Nothing was published.")).to_be_visible(timeout=_RUN)
    page.get_by_role("link", name="Changes, person by person").click()
    expect(page.get_by_text("Not published")).to_be_visible()
    assert errors == []

    run = airflow.api.runs("roster_cedar")[0]
    assert (run["triggered_by"], run["triggering_user_name"]) == ("rest_api", airflow.user)
    assert run["conf"]["dry_run"] is True
    started, counts = run["note"].split("\n")
    assert started == f"Started on the page Rosters by {airflow.user}"
    assert counts.startswith("Dry run, nothing published: ")
    engine = sa.create_engine(stack.warehouse_url)
    with engine.connect() as connection:
        decided = connection.execute(sa.text("SELECT action, decided_by, subject FROM roster_ops.decisions")).all()
        pulled = connection.execute(sa.text("SELECT DISTINCT run_id FROM roster_ops.run_progress")).scalars().all()
    engine.dispose()
    assert ("sync_started", airflow.user, run["dag_run_id"]) in [tuple(row) for row in decided]
    assert run["dag_run_id"] in pulled


def test_the_tab_of_a_dag_and_the_way_out_of_its_frame(stack, browser):
    context = browser.new_context()
    context.add_cookies([{"name": "_token", "value": stack.airflow.api.token(), "url": stack.airflow.api_url}])
    page, _ = open_page(context)
    page.goto(f"{stack.airflow.api_url}/dags/roster_maple/plugin/roster")
    frame = page.frame_locator("iframe")
    expect(frame.get_by_role("heading", name="Published roster")).to_be_visible(timeout=60_000)
    frame.get_by_role("link", name="Open in Airflow").click()
    page.wait_for_url("**/dags/roster_maple")


def test_publish_links_to_the_page(stack):
    api = stack.airflow.api
    run = api.runs("roster_maple")[0]["dag_run_id"]
    links = api._get(f"/dags/roster_maple/dagRuns/{run}/taskInstances/publish/links")["extra_links"]
    assert links == {
        name: f"{stack.airflow.api_url}/rosters/districts/maple/{path}"
        for name, path in (("Changes", "changes"), ("Holds", "holds"), ("Left out", "left-out"))
    }
