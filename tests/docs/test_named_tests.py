"""Every test, make target, and error code that the pages about security and reliability name exists."""

from __future__ import annotations

import re

import pytest

from tests.docs.samples import ROOT

PAGES = ("security.md", "reliability.md")


@pytest.mark.parametrize("name", PAGES)
def test_every_named_test_exists(name: str) -> None:
    page = (ROOT / "docs" / name).read_text(encoding="utf-8")
    named = set(re.findall(r"`(tests/[\w/.]+)`", page))
    assert len(named) > 8
    assert {path for path in named if not (ROOT / path).exists()} == set()


@pytest.mark.parametrize("name", PAGES)
def test_every_named_target_and_code_exists(name: str) -> None:
    page = (ROOT / "docs" / name).read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    assert set(re.findall(r"`make ([a-z]+)`", page)) <= targets
    source = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "include" / "rollcall").rglob("*.py"))
    codes = set(re.findall(r"`((?:disk|state|response|headers|pages|rows|address|redirect|encoding)_\w+)`", page))
    assert codes
    assert {code for code in codes if f'"{code}"' not in source} == set()
