"""The page in a real browser: every page in both themes and on a phone, and forms without JavaScript."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator

import pytest
import uvicorn
from playwright.sync_api import expect

from tests.browser import open_page, serious_findings, signed_in
from tests.web.conftest import PEOPLE, token_of


@pytest.fixture(scope="module")
def address(api_server) -> Iterator[str]:
    """Airflow's API server on a port of loopback."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    server = uvicorn.Server(uvicorn.Config(api_server, port=port, lifespan="off", log_level="error"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.05)
    yield f"http://127.0.0.1:{port}"
    server.should_exit = True
    thread.join()


OF_ELM = ("", "/runs/run1", "/changes", "/left-out", "/holds", "/holds/{hold}", "/person", "/history", "/sync")
PAGES = ("/", *(f"/districts/elm{path}" for path in OF_ELM), "/districts/elm/history/run1", "/districts/none")


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_every_page_is_accessible_has_no_console_error_and_fits(browse, address, browser, held, theme):
    browse()
    context = signed_in(browser, address, token_of("user"), viewport={"width": 360, "height": 740})
    page, errors = open_page(context, theme)
    findings = {}
    for path in PAGES:
        page.goto(f"{address}/rosters{path.format(hold=held)}")
        assert page.evaluate("document.documentElement.dataset.theme") == theme
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), f"{path} is wider than a phone"
        page.set_viewport_size({"width": 1280, "height": 800})
        if found := serious_findings(page):
            findings[path] = found
        page.set_viewport_size({"width": 360, "height": 740})
    assert findings == {}
    assert [error for error in errors if "404" not in error] == []
    context.close()


def test_a_hold_is_decided_with_the_keyboard_and_without_javascript(browse, address, browser, nights, held):
    browse()
    context = signed_in(browser, address, token_of("user"), java_script_enabled=False)
    page, _ = open_page(context)
    page.goto(f"{address}/rosters/districts/elm/holds")
    page.get_by_role("link", name="Decide").first.focus()
    page.keyboard.press("Enter")
    page.get_by_text("tick those to keep held").click()
    page.get_by_role("checkbox", name="P30 Planted-Okonkwo").check()
    page.get_by_label("Reason").fill("They graduated")
    page.get_by_label("Start the run that publishes it now").uncheck()
    page.get_by_label("Reason").press("Enter")
    expect(page.get_by_role("status")).to_have_text("Approved. The next run publishes it.")
    approved = "SELECT count(*) FROM roster_ops.hold_rows WHERE is_approved AND table_name = 'users'"
    assert nights.scalar(approved) == 11
    context.close()


def test_a_person_is_explained_and_no_name_is_in_an_address(browse, address, browser, nights, roster):
    nights.publish(roster(*PEOPLE[:3]))
    browse()
    context = signed_in(browser, address, token_of("user"), permissions=["clipboard-read", "clipboard-write"])
    page, errors = open_page(context)
    addresses: list[str] = []
    page.on("request", lambda request: addresses.append(request.url))
    page.goto(f"{address}/rosters/districts/elm/person")
    page.get_by_label("Person or school").fill("Planted-Okonkwo")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Several people match")).to_be_visible()
    page.get_by_role("button", name="This one P02").click()
    expect(page.get_by_text("Who can fix it")).to_be_visible()
    page.get_by_role("button", name="Copy").click()
    expect(page.get_by_role("button", name="Copied")).to_be_visible()
    assert page.evaluate("navigator.clipboard.readText()") == page.get_by_label("Reply").input_value()
    assert [one for one in addresses if "okonkwo" in one.lower()] == []
    assert errors == []
    context.close()


def test_a_filter_applies_at_once(browse, address, browser, nights, roster):
    nights.publish(roster("ada"))
    browse()
    context = signed_in(browser, address, token_of("viewer"))
    page, errors = open_page(context)
    page.goto(f"{address}/rosters/")
    page.get_by_label("Sort").select_option("Name")
    page.wait_for_url("**sort=name**")
    assert errors == []
    context.close()
