"""Adding and settings in a real browser: in both themes and on a phone, live previews, and without JavaScript."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect

from rollcall.settings import load_district
from rollcall_sandbox import Sandbox, SandboxDistrict
from tests.browser import open_page, serious_findings, signed_in
from tests.web.conftest import token_of
from tests.web.credentials_text import sent_text
from tests.web.test_browser import address

__all__ = ["address"]

BIRCH = SandboxDistrict(app="birch", version="1.2", students=60, seed=5)
SITES = "sites:\n  targets: {N: North, S: South}\n  map:\n    school: N\n"


@pytest.fixture(scope="module")
def text() -> Iterator[str]:
    """What the district sends."""
    with Sandbox([BIRCH]) as running:
        yield sent_text(f"http://127.0.0.1:{running.port}", "birch")


@pytest.fixture
def elm(browse, nights, roster, districts_folder):
    """The published district, and its file."""
    browse()
    path = districts_folder / "elm.yaml"
    path.write_text(path.read_text() + SITES)
    nights.district = load_district(path)
    nights.publish(roster("ada", "ben", "cleo", teacher=True))
    return path


def look(page: Page, findings: dict[str, list[str]]) -> None:
    """Judge the page on a phone and on a screen."""
    page.set_viewport_size({"width": 360, "height": 740})
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), f"{page.url} is wider than a phone"
    page.set_viewport_size({"width": 1280, "height": 800})
    if found := serious_findings(page):
        findings[page.url] = found


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_every_page_is_accessible_has_no_console_error_and_fits(elm, address, browser, text, theme):
    context = signed_in(browser, address, token_of("admin"))
    context.set_default_timeout(60_000)
    page, errors = open_page(context, theme)
    findings: dict[str, list[str]] = {}
    for path in ("", "/sites", "/usernames", "/roles", "/connection"):
        page.goto(f"{address}/rosters/districts/elm/settings{path}")
        look(page, findings)
    page.goto(f"{address}/rosters/districts/elm/settings/sites")
    page.get_by_label("Elm School").select_option("S")
    page.get_by_role("button", name="Review changes").click()
    page.get_by_role("heading", name="Who is affected").wait_for()
    look(page, findings)

    page.goto(f"{address}/rosters/add")
    look(page, findings)
    page.get_by_label("What the district sent").fill(text)
    page.get_by_role("button", name="Continue").first.click()
    page.get_by_role("button", name="Test connection").wait_for()
    look(page, findings)
    page.get_by_role("button", name="Test connection").click()
    page.get_by_role("link", name="Continue", exact=True).wait_for()
    look(page, findings)
    page.get_by_role("link", name="Continue", exact=True).click()
    page.get_by_role("heading", name=re.compile("Students")).wait_for()
    look(page, findings)
    page.get_by_role("button", name="Continue").click()
    page.get_by_label("Map schools to our sites").check()
    page.get_by_role("button", name="Use these sites").click()
    page.get_by_role("button", name=re.compile("Apply . suggestions")).wait_for()
    look(page, findings)
    page.get_by_role("button", name=re.compile("School$")).first.click()  # one suggestion, by the script
    assert page.locator("select[name^='site:']").first.input_value() != ""
    page.get_by_role("button", name="Continue").click()
    page.get_by_role("button", name="Save").wait_for()
    look(page, findings)
    assert findings == {}
    assert errors == []
    context.close()


def test_what_a_change_does_is_shown_while_it_is_chosen(elm, address, browser):
    context = signed_in(browser, address, token_of("user"))
    page, errors = open_page(context)
    page.goto(f"{address}/rosters/districts/elm/settings/sites")
    page.get_by_label("Elm School").select_option("S")
    expect(page.locator("#preview")).to_contain_text("4 people")
    page.get_by_label("Elm School").select_option("N")
    expect(page.locator("#preview")).to_be_empty()
    page.goto(f"{address}/rosters/districts/elm/settings/usernames")
    page.get_by_role("radio", name="identifier").first.check()
    expect(page.locator("#preview")).to_contain_text("3 of 3 published usernames change")
    assert load_district(elm).sites.map == {"school": "N"}
    assert errors == []
    context.close()


def test_a_file_is_downloaded_and_the_page_stays_usable(elm, address, browser, monkeypatch):
    monkeypatch.setenv("ROLLCALL_DISTRICTS_READ_ONLY", "true")
    context = signed_in(browser, address, token_of("admin"))
    page, errors = open_page(context)
    page.goto(f"{address}/rosters/districts/elm/settings/sites")
    page.get_by_label("Elm School").select_option("S")
    page.get_by_role("button", name="Review changes").click()
    button = page.get_by_role("button", name="Download the file to commit")
    for _ in range(2):
        with page.expect_download() as begun:
            button.click()
        assert begun.value.suggested_filename == "elm.yaml"
        expect(button).to_be_enabled()
    assert errors == []
    context.close()


def test_a_button_works_again_after_going_back(elm, address, browser):
    context = signed_in(browser, address, token_of("user"))
    page, _ = open_page(context)
    page.goto(f"{address}/rosters/districts/elm/settings/sites")
    page.get_by_label("Elm School").select_option("S")
    page.get_by_role("button", name="Review changes").click()
    page.get_by_role("heading", name="Who is affected").wait_for()
    page.go_back()
    expect(page.get_by_role("button", name="Review changes")).to_be_enabled()
    # what the browser does with a page that it kept as it was left
    page.evaluate("""() => {
        const button = document.querySelector("form[data-live] button.primary");
        button.dataset.text = button.textContent;
        button.textContent = "Working…";
        button.disabled = true;
        dispatchEvent(new PageTransitionEvent("pageshow", { persisted: true }));
    }""")
    expect(page.get_by_role("button", name="Review changes")).to_be_enabled()
    context.close()


def test_a_district_is_added_without_javascript(elm, address, browser, text, districts_folder):
    context = signed_in(browser, address, token_of("op"), java_script_enabled=False)
    context.set_default_timeout(60_000)
    page, _ = open_page(context)
    page.goto(f"{address}/rosters/add")
    page.get_by_label("What the district sent").fill(text)
    page.get_by_role("button", name="Continue").first.click()
    page.get_by_role("button", name="Test connection").click()
    page.get_by_role("link", name="Continue", exact=True).click()  # the page loads itself again until it is there
    page.get_by_role("button", name="Continue").click()
    page.get_by_label("Every school is its own site").check()
    page.get_by_role("button", name="Continue").click()
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("heading", name="Birch School District is added")).to_be_visible()
    assert load_district(districts_folder / "birch.yaml").version == "1.2"
    context.close()


def test_a_wrong_secret_fails_its_step_with_a_remedy_and_an_email(elm, address, browser, text):
    context = signed_in(browser, address, token_of("admin"), permissions=["clipboard-read", "clipboard-write"])
    page, errors = open_page(context)
    page.goto(f"{address}/rosters/add")
    wrong = "wrong-secret-of-nobody"
    page.get_by_label("What the district sent").fill(text.replace(BIRCH.client_secret, wrong))
    page.get_by_role("button", name="Continue").first.click()
    page.get_by_role("button", name="Test connection").click()
    expect(page.get_by_text("The connection does not work yet.")).to_be_visible(timeout=60_000)
    expect(page.locator("li.fail b")).to_have_text(["Sign-in"])
    expect(page.locator("li.fail .remedy")).to_be_visible()
    expect(page.get_by_role("link", name="Continue", exact=True)).to_have_count(0)
    page.get_by_role("button", name="Copy").click()
    email = page.evaluate("navigator.clipboard.readText()")
    assert "Sign-in" in email
    assert wrong not in email + page.content()
    page.get_by_role("link", name="Change credentials").click()
    page.get_by_label("Client Secret").fill(BIRCH.client_secret)
    page.get_by_role("button", name="Test connection").click()
    expect(page.get_by_role("link", name="Continue", exact=True)).to_be_visible(timeout=60_000)
    assert errors == []
    context.close()


def test_two_people_save_at_once_and_the_second_sees_both_changes(elm, address, browser):
    first, second = (signed_in(browser, address, token_of(role)) for role in ("admin", "op"))
    (one, errors), (other, _) = open_page(first), open_page(second)
    one.goto(f"{address}/rosters/districts/elm/settings/sites")
    one.get_by_label("Elm School").select_option("S")
    one.get_by_role("button", name="Review changes").click()
    other.goto(f"{address}/rosters/districts/elm/settings")
    other.get_by_label("Full pull every").select_option("friday")
    other.get_by_role("button", name="Review changes").click()
    for page in (one, other):
        page.get_by_role("button", name="Save").wait_for()
    other.get_by_role("button", name="Save").click()
    expect(other.get_by_role("status")).to_contain_text("Saved")
    one.get_by_role("button", name="Save").click()
    expect(one.get_by_role("alert")).to_contain_text("olive")
    assert load_district(elm).sites.map == {"school": "N"}
    one.get_by_role("button", name="Save").click()
    expect(one.get_by_role("status")).to_contain_text("Saved")
    district = load_district(elm)
    assert (district.schedule.full_on, district.sites.map) == ("friday", {"school": "S"})
    assert [error for error in errors if "409" not in error] == []
    first.close()
    second.close()


def test_a_read_only_folder_is_known_from_the_start_and_gives_file_and_diff(elm, address, browser, text, monkeypatch):
    monkeypatch.setenv("ROLLCALL_DISTRICTS_READ_ONLY", "true")
    context = signed_in(browser, address, token_of("admin"))
    context.set_default_timeout(60_000)
    page, errors = open_page(context)
    page.goto(f"{address}/rosters/districts/elm/settings/sites")
    expect(page.get_by_text("read-only here")).to_be_visible()
    page.get_by_label("Elm School").select_option("S")
    page.get_by_role("button", name="Review changes").click()
    expect(page.locator(".add").get_by_text("school: S")).to_be_visible()
    expect(page.get_by_role("button", name="Save")).to_have_count(0)

    page.goto(f"{address}/rosters/add")
    expect(page.get_by_text("read-only here")).to_be_visible()
    page.get_by_label("What the district sent").fill(text)
    page.get_by_role("button", name="Continue").first.click()
    page.get_by_role("button", name="Test connection").click()
    page.get_by_role("link", name="Continue", exact=True).click()
    page.get_by_role("button", name="Continue").click()
    page.get_by_label("Every school is its own site").check()
    page.get_by_role("button", name="Continue").click()
    page.get_by_role("button", name=re.compile("Store the connection")).click()
    with page.expect_download() as begun:
        page.get_by_role("link", name="Download").click()
    assert begun.value.suggested_filename == "birch.yaml"
    assert not (elm.parent / "birch.yaml").exists()
    assert load_district(begun.value.path().rename(elm.parent / "birch.yaml")).name == "Birch School District"
    assert errors == []
    context.close()
