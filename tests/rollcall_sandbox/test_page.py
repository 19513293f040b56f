"""The page at the sandbox's address: what it serves, and what a person can do there."""

# ruff: noqa: S113 - a request that hangs is ended by pytest-timeout
from __future__ import annotations

import html
import re
import shlex
from collections.abc import Iterator
from typing import ClassVar

import pytest
import requests

from rollcall_sandbox import Sandbox, SandboxDistrict
from rollcall_sandbox.credentials import credentials

_MARKUP = "<script>alert('x')</script> & \"Sons\""


class Hostile(SandboxDistrict):
    """A district whose name is markup."""

    name: ClassVar[str] = _MARKUP  # type: ignore[misc]


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    districts = [SandboxDistrict("maple", "1.2", students=20), SandboxDistrict("cedar", "1.1", 20, auth="oauth1")]
    with Sandbox([*districts, Hostile("birch", "1.2", 20, auth="bearer", quirks=frozenset({"no-totals"}))]) as serving:
        yield serving


@pytest.fixture
def page(sandbox: Sandbox) -> str:
    answer = requests.get(sandbox.origin)
    assert (answer.status_code, answer.headers["Content-Type"]) == (200, "text/html; charset=utf-8")
    assert answer.headers["Content-Security-Policy"].startswith("default-src 'none';")
    return answer.text


def test_it_says_what_every_district_would_send(sandbox, page):
    text = html.unescape(page)
    for district in sandbox.districts:
        for value in credentials(sandbox._providers[district.app]).values():
            assert value in text
        assert district.name in text
        assert f"OneRoster {district.version}, 20 students" in text
    assert page.count("nights passed: 0") == 3
    assert page.count("quirks: no-totals.") == 1


def test_a_name_that_is_markup_is_text(page):
    assert _MARKUP not in page
    assert html.escape(_MARKUP) in page
    assert "<script" not in page


def test_its_commands_do_what_it_says(sandbox, page):
    commands = html.unescape(page).replace("<pre>", "\n").replace("</pre>", "\n").splitlines()
    ours = [shlex.split(line) for line in commands if line.startswith("curl ") and "/sandbox/maple/" in line]
    provider = sandbox._providers["maple"]
    states = []
    for curl, option, body, url in ours:
        assert (curl, option) == ("curl", "-d")
        assert requests.post(url, data=body).status_code == 200
        states.append((provider.nights, sorted(provider.quirks)))
    assert states == [(1, []), (1, ["no-totals"]), (1, [])]


def test_its_button_passes_a_night_and_comes_back(sandbox, page):
    [action] = re.findall(r'action="([^"]*cedar[^"]*)"', page)
    answer = requests.post(f"{sandbox.origin}{action}", headers={"Accept": "text/html,*/*"})
    assert answer.url == f"{sandbox.origin}/"
    assert sandbox.truth("cedar")["nights"] == 1
