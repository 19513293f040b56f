"""A command reads the roster once, and both the decision and its impact are about that one state."""

from __future__ import annotations

import pytest

from rollcall.district_edits import current_roster as module


@pytest.mark.parametrize(
    "line",
    [
        "sites set elm north North",
        "sites exclude elm north",
        "sites undecide elm north",
        "sites suggest elm --apply",
        "people exclude elm ada --reason asked",
        "people set-username elm ada@elm.example ada.o --reason asked",
        "people clear elm ada",
        "usernames set elm username",
    ],
)
def test_the_roster_is_read_once(elm, command, monkeypatch, line):
    elm.says("sites: {targets: [North], map: {south: North}}\npeople: {ada: {exclude: true, reason: asked}}\n")
    elm.publish()
    opened = []
    snapshot = module.current_roster
    monkeypatch.setattr(module, "current_roster", lambda *given: opened.append(1) or snapshot(*given))
    command(*line.split())
    assert len(opened) == 1
