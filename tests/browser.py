"""A real browser for the tests of the page: Debian's Chromium where it is, else the one that Playwright installed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

_SYSTEM = [Path("/usr/bin/chromium"), Path("/usr/bin/chromium-browser"), Path("/usr/bin/google-chrome")]

#: What an accessibility rule must not find.
_SERIOUS = ("serious", "critical")


@contextmanager
def chromium() -> Iterator[Browser]:
    """Without its sandbox, which root cannot have in a container. It opens only pages of this checkout.

    Where no Chromium is installed, the test is skipped: it is a program of the system, not a package.
    """
    with sync_playwright() as playwright:
        programs = [*_SYSTEM, Path(playwright.chromium.executable_path)]
        program = next((path for path in programs if path.exists()), None)
        if program is None:
            pytest.skip("Chromium is not installed (apt install chromium, or .venv/bin/playwright install chromium)")
        opened = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        yield opened
        opened.close()


def signed_in(browser: Browser, address: str, token: str, **options: Any) -> BrowserContext:
    """A browser window with Airflow's session cookie."""
    context = browser.new_context(**options)
    context.add_cookies([{"name": "_token", "value": token, "url": address}])
    return context


def open_page(context: BrowserContext, theme: str = "light") -> tuple[Page, list[str]]:
    """A tab with Airflow's theme, and the list that gets its console errors."""
    page = context.new_page()
    page.add_init_script(f"localStorage.setItem('theme', '{theme}')")
    errors: list[str] = []
    page.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: errors.append(str(error)))
    return page, errors


def serious_findings(page: Page) -> list[str]:
    """What axe finds on the page: rule and the first element of each serious finding."""
    found = Axe().run(page).response["violations"]
    return [f"{one['id']}: {one['nodes'][0]['html'][:160]}" for one in found if one["impact"] in _SERIOUS]
