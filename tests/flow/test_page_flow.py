"""The newcomer's way, in a real browser against a real Airflow: from a district's text to published accounts."""

from __future__ import annotations

import re
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests
import sqlalchemy as sa
from playwright.sync_api import Page, expect

from rollcall_local.airflow_env import PROJECT
from rollcall_local.stack import Stack
from tests.browser import open_page, signed_in
from tests.web.credentials_text import sent_text

pytestmark = pytest.mark.scheduler

#: Seconds that the way may take, with two busy cores. The newcomer reads and decides in the rest of five minutes.
_LIMIT = 240


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """Everything, with no district but `maple`."""
    folder = tmp_path_factory.mktemp("districts")
    for name in ("_defaults.yaml", "maple.yaml"):
        shutil.copy(PROJECT / "include" / "districts" / name, folder)
    with Stack("page", fresh=True, say=print, districts=folder) as running:
        yield running


@pytest.mark.timeout(900)
@pytest.mark.parametrize("app", ["birch", "cedar"])
def test_from_the_text_to_published_accounts(browser, stack: Stack, app: str) -> None:
    """`birch` is OneRoster 1.2 with OAuth 2, and `cedar` 1.1 with a Consumer Key. The ID is from the name."""
    api = stack.airflow.api
    context = signed_in(browser, stack.airflow.api_url, api.token(), viewport={"width": 1280, "height": 900})
    context.set_default_timeout(120_000)
    expect.set_options(timeout=120_000)
    page, errors = open_page(context)
    began = time.monotonic()
    page.goto(f"{stack.airflow.api_url}/rosters/")
    left = _add(page, sent_text(stack.sandbox_url, app))
    page.wait_for_url(re.compile("/added"))
    district = page.url.split("/")[-2]
    page.get_by_role("button", name="Dry run first").click()
    _until_ended(stack, page)
    page.get_by_role("link", name="Sync now").click()
    page.get_by_text("Pulls what changed since the last pull").click()
    page.get_by_role("button", name="Start").click()
    _until_ended(stack, page)
    assert time.monotonic() - began < _LIMIT
    assert errors == []
    context.close()

    engine = sa.create_engine(stack.warehouse_url)
    with engine.connect() as warehouse:
        counts = "SELECT count(*), count(*) FILTER (WHERE school_sourced_ids::text LIKE :left) FROM roster.accounts "
        where = "WHERE district_id = :district"
        accounts, at_left = warehouse.execute(
            sa.text(counts + where), {"district": district, "left": f"%{left}%"}
        ).one()
        actions = "SELECT action FROM roster_ops.decisions WHERE district_id = :district"
        decided = set(warehouse.execute(sa.text(actions), {"district": district}).scalars())
    engine.dispose()
    assert accounts > 100
    assert at_left == 0
    assert decided >= {"district_added", "connection_stored", "sync_started"}
    stored = api.connection(f"oneroster_{district}")
    assert stored is not None
    assert stored["port"] == 0


def _add(page: Page, text: str) -> str:
    """The steps up to the saved district.

    :returns: the sourcedId of the school that is left unmapped.
    """
    page.get_by_role("link", name="Add a district").click()
    page.get_by_label("What the district sent").fill(text)
    page.get_by_role("button", name="Continue").first.click()
    page.get_by_role("button", name="Test connection").click()
    page.get_by_role("link", name="Continue", exact=True).click()
    page.get_by_role("heading", name=re.compile("Students: ")).wait_for()
    page.get_by_role("button", name="Continue").click()
    page.get_by_label("Map schools to our sites").check()
    page.get_by_role("button", name="Use these sites").click()
    page.get_by_role("button", name=re.compile("Apply .* suggestion")).click()
    first = page.locator("select[name^='site:']").first
    first.select_option(label="Not mapped")
    left = str(first.get_attribute("name")).removeprefix("site:")
    page.get_by_role("button", name="Continue").click()
    expect(page.get_by_text("1 school, 2 offices not mapped")).to_be_visible()
    if page.locator("#replace").count():
        page.locator("#replace").check()
    page.get_by_role("button", name="Save").click()
    return left


def _until_ended(stack: Stack, page: Page) -> None:
    """Wait on the page of the run until it has ended well."""
    page.wait_for_url(re.compile("/sync/"))
    dag, run = re.findall(r"/districts/(\w+)/sync/([^?#]+)", page.url)[0]
    run = requests.utils.unquote(run)
    deadline = time.monotonic() + 180
    while (state := stack.airflow.api.run_state(f"roster_{dag}", run)) not in ("success", "failed"):
        assert time.monotonic() < deadline
        stack.check()
        page.wait_for_timeout(500)
    assert state == "success"


def test_the_folder_of_the_checkout_is_untouched() -> None:
    names = {path.name for path in Path(PROJECT / "include" / "districts").glob("*.yaml")}
    assert names == {"_defaults.yaml", "maple.yaml", "cedar.yaml"}
