"""What a provider or a file wrote is text on every screen: no markup, no emoji, no links, no control characters."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
from click.testing import CliRunner, Result

from rollcall.cli.main import rollcall
from rollcall.display.echo import echo, echo_text
from rollcall.display.terminal import line, open_console, plain_grid, table
from rollcall.errors import RollcallError
from rollcall.settings.sections import Floor, Guards

#: Characters that no output may contain, except for line feeds at the ends of lines.
CONTROL = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u061c\u200b\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]")

#: Each one does harm where it is not printed as text.
HOSTILE = {
    "markup": "[bold red]Ada[/]",
    "link": "[link=https://evil.example]Ada[/link]",
    "emoji": "ext:ghost: :smile:",
    "color": "\x1b[31mAda\x1b[0m",
    "title": "\x1b]0;owned\x07Ada",
    "hyperlink": "\x1b]8;;https://evil.example\x1b\\Ada\x1b]8;;\x1b\\",
    "one-byte escape": "\x9b31mAda",
    "bell": "Ada\x07",
    "backspace": "Ada\x08\x08\x08Eve",
    "carriage return": "Ada\rEve",
    "line feed": "Ada\nError: Eve",
    "tab": "Ada\tEve",
    "direction": "Ada\u202egnp.exe\u2066",
    "line separator": "Ada\u2028Eve",
    "invisible": "A\u200bda\ufeff",
    "null": "Ada\u0000",
}


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
@pytest.mark.parametrize("is_terminal", [False, True], ids=["pipe", "terminal"])
def test_every_way_to_print_prints_text(text, is_terminal, monkeypatch, capsys):
    class Stream(io.StringIO):
        def isatty(self) -> bool:
            return is_terminal

    monkeypatch.setenv("TERM", "dumb")
    monkeypatch.setenv("COLUMNS", "40")
    file = Stream()
    console = open_console(file)
    console.print(text)
    console.print(line(text, (text, "bold")))
    console.print(table([{"name": text, "count": 1}], ["name", "count"], title=text))
    grid = plain_grid(text)
    grid.add_row(text)
    console.print(grid)
    echo(text, head=text)
    echo_text(text)
    printed = file.getvalue() + capsys.readouterr().out
    assert CONTROL.findall(re.sub("\x1b\\[[0-9;]*m", "", printed) if is_terminal else printed) == []
    for plain in ("[bold red]", "[/]", "[link=", ":ghost:", ":smile:"):
        assert printed.count(plain) == 10 * text.count(plain)


HOSTILE_NAME = "".join(HOSTILE.values()).replace("\0", "")


@pytest.fixture
def elm(nights, roster, tmp_path, monkeypatch) -> Iterator[Any]:
    """A district whose provider writes such texts everywhere: people, schools, classes, roles, IDs."""
    nights.settings(guards=Guards(floor=Floor(people=1)))
    (tmp_path / "districts").mkdir()
    text = 'district: elm\nname: Elm\nversion: "1.2"\nusernames: email\nschedule: {timezone: UTC}\n'
    text += "sites: {targets: [North], map: {}}\nguards: {floor: {people: 1}}\n"
    (tmp_path / "districts/elm.yaml").write_text(text)
    monkeypatch.setenv("ROLLCALL_DISTRICTS", str(tmp_path / "districts"))
    monkeypatch.setenv("AIRFLOW_CONN_WAREHOUSE", nights.engine.url.render_as_string(hide_password=False))
    monkeypatch.setenv("ROLLCALL_LANDING", nights.landing.url)
    for people in (("ada", "ben", "cid"), ("ada",), ("ada",)):
        rows = roster(*people)
        for table_rows in rows.values():
            for row in table_rows:
                for column in ("name", "title", "given_name", "family_name", "role", "identifier", "class_code"):
                    if isinstance(row.get(column), str):
                        row[column] += HOSTILE_NAME
        nights.publish(rows)
    return nights


def _run(*arguments: str) -> Result:
    return CliRunner().invoke(rollcall, list(arguments))


COMMANDS = """
    sites list elm
    sites suggest elm
    sites exclude elm school
    sites set elm nowhere North
    usernames compare elm
    usernames preview elm username
    people list elm
    people exclude elm ada --reason asked
    explain elm ada
    explain elm ada --forward
    explain elm Okonkwo
    diff elm
    diff elm --between 2026-11-02 2026-11-03
    holds list
    holds show elm users
    holds reject elm users --reason asked
    status --all
    districts show elm
"""


#: The errors of COMMANDS.
REFUSED = {
    ("sites set elm nowhere North", "school_unknown"),
}


def test_no_command_prints_a_control_character(elm, capsys):
    failed, refused = [], set()
    for command in COMMANDS.strip().splitlines():
        for options in ([], ["--json"]):
            result = _run(*command.split(), *options)
            printed = result.output
            if isinstance(result.exception, RollcallError):
                refused.add((command.strip(), result.exception.code))
                echo(f"{result.exception.message} {result.exception.remedy}")
                printed += capsys.readouterr().out
            elif not isinstance(result.exception, (SystemExit, type(None))):
                failed.append((command, options, repr(result.exception)))
            elif options and "--forward" not in command:
                json.loads(result.stdout)
            if result.exit_code not in (0, 1) or CONTROL.search(printed):
                failed.append((command, options, result.exit_code, CONTROL.findall(printed)))
    assert failed == []
    assert refused == REFUSED
