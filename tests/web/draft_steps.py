"""The steps of a draft on the page, as a browser takes them, and the districts that it is about."""

from __future__ import annotations

import re
import time

import httpx

from rollcall_sandbox import Sandbox, SandboxDistrict
from tests.web.credentials_text import sent_text

BIRCH = SandboxDistrict(app="birch", version="1.2", students=60, seed=5)
CEDAR = SandboxDistrict(app="cedar", version="1.1", students=60, seed=6, auth="oauth1")


def text_of(sandbox: Sandbox, district: SandboxDistrict, secret: str = "") -> str:
    """What the district sends."""
    text = sent_text(f"http://127.0.0.1:{sandbox.port}", district.app)
    return text.replace(district.client_secret, secret) if secret else text


def follow(client: httpx.Client, path: str, **fields: str) -> str:
    """Post a form and return the path that it leads to."""
    answer = client.post(path, data=fields)
    assert answer.status_code == 303, answer.text
    return answer.headers["location"]


def after_test(client: httpx.Client, sandbox: Sandbox, district: SandboxDistrict, **how: str) -> str:
    """The path of a draft whose test has ended."""
    draft = follow(client, "/rosters/add", text=text_of(sandbox, district, **how))
    assert follow(client, draft) == f"{draft}/test"
    until(client, f"{draft}/test")
    return draft


def until(client: httpx.Client, path: str) -> str:
    """The page when it no longer polls."""
    for _ in range(300):
        text = client.get(path).text
        if "data-poll" not in text:
            return text
        time.sleep(0.1)
    raise AssertionError("it did not end")


def outcomes(text: str) -> dict[str, str]:
    """The steps of a check by title."""
    return {title: outcome for outcome, title in re.findall(r'<li class="(\w+)">.*?<b>(.*?)</b>', text, re.S)}
