"""A remedy on the page leads to the page's own place."""

from __future__ import annotations

import pytest

from rollcall.web.places import link_commands


@pytest.mark.parametrize(
    ("remedy", "expected"),
    [
        ("Pull it: rollcall sync elm --dry-run", 'Pull it: <a href="/rosters/districts/elm/sync">Sync now</a>'),
        (
            "Run `rollcall check elm --email`.",
            'Run <a href="/rosters/districts/elm/settings/connection">Settings, Connection</a>.',
        ),
        ("See rollcall holds list elm. Then wait.", 'See <a href="/rosters/districts/elm/holds">Holds</a>. Then wait.'),
        ("Run `rollcall db upgrade`.", "Run <code>rollcall db upgrade</code>."),
        ("Set `version` in <b>.", "Set <code>version</code> in &lt;b&gt;."),
        ("Ask the rollcall team.", "Ask the rollcall team."),
    ],
)
def test_commands_become_places(remedy, expected):
    assert link_commands(remedy, "elm", "/rosters") == expected


def test_without_a_district_commands_stay():
    assert link_commands("rollcall sync elm", "", "/rosters") == "<code>rollcall sync elm</code>"
