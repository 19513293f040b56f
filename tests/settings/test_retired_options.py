"""Options of older versions are errors that name the new one."""

from __future__ import annotations

import pytest
from click.testing import CliRunner

from rollcall.cli.main import rollcall


@pytest.mark.parametrize(
    ("command", "error"),
    [
        ("backfill maple --nights 2026-11-03..2026-11-05", "--nights is retired. Use --from and --to."),
        ("check maple --letter", "--letter is retired. Use --email."),
        ("check maple --pin-anew", "--pin-anew is retired. Use --replace-pin."),
        ("districts add maple --letter", "--letter is retired. Use --email."),
        ("holds approve maple users --because moved", "--because is retired. Use --reason."),
        ("holds reject maple users --because moved", "--because is retired. Use --reason."),
        ("people exclude maple ada --because asked", "--because is retired. Use --reason."),
        ("people set-username maple ada a.b --because asked", "--because is retired. Use --reason."),
    ],
)
def test_a_retired_option_names_the_new_one(command, error):
    result = CliRunner().invoke(rollcall, command.split())
    assert result.exit_code == 2
    assert error in result.stderr
