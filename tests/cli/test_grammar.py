"""`rollcall GROUP VERB DISTRICT …`: one order of words, and errors that print the command that was meant."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator

import click
import pytest
from click.testing import CliRunner

from rollcall.cli.main import COMMANDS, SECTIONS, rollcall


@pytest.fixture(autouse=True)
def districts(tmp_path, monkeypatch):
    for name in ("maple", "cedar"):
        text = f'district: {name}\nname: {name.title()}\nversion: "1.2"\nusernames: email\n'
        (tmp_path / f"{name}.yaml").write_text(text)
    monkeypatch.setenv("ROLLCALL_DISTRICTS", str(tmp_path))


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("sites maple", "rollcall sites list maple"),
        ("sites maple set north ME --yes", "rollcall sites set maple north ME --yes"),
        ("sites maple exclude 'Lincoln Elem'", "rollcall sites exclude maple 'Lincoln Elem'"),
        ("sites maple leave-out north", "rollcall sites exclude maple north"),
        ("sites maple suggest --apply", "rollcall sites suggest maple --apply"),
        ("usernames maple", "rollcall usernames compare maple"),
        ("usernames maple preview email", "rollcall usernames preview maple email"),
        ("usernames list maple", "rollcall usernames compare maple"),
        ("usernames choose maple email", "rollcall usernames set maple email"),
        ("people maple", "rollcall people list maple"),
        ("people maple username ada a.b", "rollcall people set-username maple ada a.b"),
        ("people undecide maple ada", "rollcall people clear maple ada"),
        ("holds show maple-users", "rollcall holds show maple maple-users"),
        ("holds approve maple-users --reason gone", "rollcall holds approve maple maple-users"),
        ("maple sync --full", "rollcall sync maple --full"),
        ("maple", "Choose from: backfill, check"),
        ("synk maple", "rollcall sync maple"),
        ("site set maple north ME", "rollcall sites set maple north ME"),
        ("sites sett maple north ME", "rollcall sites set maple north ME"),
        ("districts remove maple", "rollcall districts purge maple"),
        ("db migrate", "rollcall db upgrade"),
        ("holds xyzzy", "Choose from: approve, list, reject, show."),
        ("sync maple --ful", "--full"),
        ("sites list", "Districts: cedar, maple."),
        ("sync", "Districts: cedar, maple."),
    ],
)
def test_a_mistake_names_what_was_meant(typed, meant):
    result = CliRunner().invoke(rollcall, shlex.split(typed), prog_name="rollcall")
    assert (result.exit_code, result.stdout) == (2, "")
    assert meant in result.stderr


def _commands(command: click.Command, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            found = command.get_command(context, name)
            assert found is not None
            yield from _commands(found, (*path, name))
    elif not command.hidden:
        yield path, command


def test_the_district_is_the_first_argument_of_every_command_about_one():
    for path, command in _commands(rollcall):
        arguments = [param.name for param in command.params if isinstance(param, click.Argument)]
        assert "district" not in arguments[1:], path
        assert not arguments or arguments[0] in ("district", "districts"), path


def _resolved(words: list[str]) -> tuple[click.Command, list[str]]:
    context, found = click.Context(rollcall, info_name="rollcall"), rollcall
    while isinstance(found, click.Group):
        name, found, words = found.resolve_command(context, words)
        context = click.Context(found, info_name=name, parent=context)
    return found, words


@pytest.mark.parametrize(("path", "command"), list(_commands(rollcall)))
def test_the_help_of_every_command_has_an_example_that_works(path, command):
    result = CliRunner().invoke(rollcall, [*path, "--help"], prog_name="rollcall")
    assert result.exit_code == 0
    examples = re.findall(rf"^ +rollcall ({' '.join(path)}\b.*)$", result.stdout, re.MULTILINE)
    assert examples
    for example in examples:
        found, words = _resolved(shlex.split(re.sub(r"\s+[|>].*|…", "", example)))
        assert found is command
        assert {word for word in words if word.startswith("--")} <= {
            option for param in found.params for option in param.opts
        }


@pytest.mark.parametrize("path", [[], ["districts"], ["sites"], ["usernames"], ["people"], ["holds"], ["db"]])
def test_the_list_of_commands_is_whole_on_80_columns(path, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    text = CliRunner().invoke(rollcall, [*path, "--help"], prog_name="rollcall").stdout
    assert "..." not in text.split("\n", 1)[1]
    assert max(map(len, text.splitlines())) <= 80


def test_the_list_of_commands_has_every_command():
    assert sorted(name for names in SECTIONS.values() for name in names) == sorted(COMMANDS)
