"""`make screenshots`: pictures of the page "Rosters" for README and docs, light and dark, from made-up districts.

A real Airflow, the sandbox, and Chromium. The pages and forms are the ones a person uses.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import requests
import sqlalchemy as sa
from playwright.sync_api import Page, sync_playwright

from rollcall_local import processes
from rollcall_local.airflow_env import PROJECT
from rollcall_local.screen import Screen
from rollcall_local.stack import Stack

FOLDER = PROJECT / "docs" / "images"
_CHROMIUM = Path("/usr/bin/chromium")
_NIGHTS = 8

#: The exit code of a sync that published and holds something.
_HELD = 3
_SIZE = {"width": 1280, "height": 800}

#: Name of a picture and its page.
_PAGES = {
    "districts": "/",
    "district": "/districts/maple",
    "changes": "/districts/maple/changes",
    "settings": "/districts/maple/settings",
    "add": "/add",
}

#: Every night of the pictures was run today. Each is dated one day earlier when the next one follows.
_ONE_DAY_EARLIER = """
    UPDATE roster_ops.runs SET night = night - 1, started_at = started_at - interval '1 day',
        finished_at = finished_at - interval '1 day'"""


def main() -> int:
    """Take all pictures. Exit code 0 if all were taken."""
    return processes.run(_main)


def _main() -> int:
    screen = Screen()
    with Stack("screenshots", fresh=True, say=screen.say) as stack:
        screen.say(f"{_NIGHTS} nights of two districts")
        _run_nights(stack)
        screen.say(f"Pictures in {FOLDER.relative_to(PROJECT)}")
        take(stack.airflow.api_url, stack.airflow.api.token(), FOLDER)
    return 0


def _run_nights(stack: Stack) -> None:
    engine = sa.create_engine(stack.warehouse_url)
    for number in range(_NIGHTS):
        with engine.begin() as connection:
            connection.execute(sa.text(_ONE_DAY_EARLIER))
        if number == _NIGHTS - 1:
            # the district narrowed its connection: a school is missing, and the guard holds its removal
            requests.post(f"{stack.sandbox_url}/sandbox/cedar/quirks", json=["school-scope"], timeout=30)
        for district in ("maple", "cedar"):
            if number:
                stack.pass_night(district)
            _sync(stack, district, full=number == _NIGHTS - 1)
    engine.dispose()


def _sync(stack: Stack, district: str, *, full: bool) -> None:
    command = f"{stack.source_line} && rollcall sync {district} {'--full' if full else ''}"
    done = subprocess.run(["bash", "-c", command], cwd=PROJECT, capture_output=True, text=True, check=False)
    if done.returncode not in (0, _HELD):
        raise RuntimeError(f"{district} was not synced:\n{done.stderr}")


def take(address: str, token: str, folder: Path) -> None:
    """Take the pictures of a running Airflow.

    :param token: of a user who may see everything.
    """
    folder.mkdir(parents=True, exist_ok=True)
    path = str(_CHROMIUM) if _CHROMIUM.exists() else None
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        for theme in ("light", "dark"):
            context = browser.new_context(viewport=_SIZE)  # type: ignore[arg-type]
            context.add_cookies([{"name": "_token", "value": token, "url": address}])
            page = context.new_page()
            page.add_init_script(f"localStorage.setItem('theme', '{theme}')")
            for name, where in _PAGES.items():
                page.goto(f"{address}/rosters{where}")
                _save(page, folder, f"{name}-{theme}")
            _hold(page, address, folder, theme)
            _person(page, address, folder, theme)
            page.goto(f"{address}/dags/roster_maple/plugin/roster")
            page.frame_locator("iframe").get_by_role("heading", name="Published roster").wait_for()
            _save(page, folder, f"tab-{theme}")
            context.close()
        browser.close()


def _hold(page: Page, address: str, folder: Path, theme: str) -> None:
    page.goto(f"{address}/rosters/districts/cedar/holds")
    decide = page.get_by_role("link", name="Decide")
    decide.first.click()
    _save(page, folder, f"hold-{theme}")


def _person(page: Page, address: str, folder: Path, theme: str) -> None:
    """A person who is left out for a reason that the school can fix."""
    page.goto(f"{address}/rosters/districts/maple/left-out?reason=no_username")
    page.get_by_role("button", name="Why?").first.click()
    page.get_by_text("Who can fix it").wait_for()
    _save(page, folder, f"person-{theme}")


def _save(page: Page, folder: Path, name: str) -> None:
    page.wait_for_load_state("networkidle")
    page.screenshot(path=folder / f"{name}.png")


if __name__ == "__main__":
    sys.exit(main())
