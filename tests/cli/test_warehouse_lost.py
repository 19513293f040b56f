"""The connection to the warehouse is cut in the middle of a command: an error in words, and nothing half done."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from rollcall.cli import main
from tests.soak.links import Link

COMMANDS = """
    sites list elm
    sites suggest elm
    sites exclude elm school
    usernames compare elm
    usernames preview elm username
    people list elm
    people exclude elm ada --reason asked
    explain elm ada
    diff elm
    diff elm --between 2026-11-01 2026-11-03
    holds list
    holds show elm users
    holds approve elm users --reason asked
    status --all
    roster elm --as-of 2026-11-02
    rollback elm --to run1
    resume elm
    sync elm --remap
    districts purge elm --yes-delete elm
    db upgrade
    db grants --apply
    doctor
"""


@pytest.fixture
def link(nights: Any, roster: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Link]:
    """The way to a warehouse with a held district."""
    people = [f"p{number:02}" for number in range(30)]
    for some in (people, people[:15], people[:15]):
        nights.publish(roster(*some))
    (tmp_path / "elm.yaml").write_text(
        'district: elm\nname: Elm\nversion: "1.2"\nusernames: email\nschedule: {timezone: UTC}\n'
        "sites: {targets: [North], map: {}}\n"
    )
    folder = nights.engine.url.query["host"]

    def to_server() -> socket.socket:
        connection = socket.socket(socket.AF_UNIX)
        connection.connect(f"{folder}/.s.PGSQL.5432")
        return connection

    made = Link(to_server)
    url = f"postgresql+psycopg://postgres@127.0.0.1:{made.port}/{nights.engine.url.database}"
    monkeypatch.setenv("AIRFLOW_CONN_WAREHOUSE", url)
    monkeypatch.setenv("ROLLCALL_DISTRICTS", str(tmp_path))
    monkeypatch.setenv("ROLLCALL_LANDING", nights.landing.url)
    yield made
    made.close()


def _run(command: str, monkeypatch: pytest.MonkeyPatch) -> int:
    monkeypatch.setattr("sys.argv", ["rollcall", *command.split()])
    with pytest.raises(SystemExit) as ended:
        main.main()
    code = ended.value.code
    return code if isinstance(code, int) else 0


def test_a_command_whose_warehouse_is_lost_says_so(link: Link, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    """Cut after the session was set up, and late."""
    reached = 0
    for number, command in enumerate(map(str.strip, COMMANDS.strip().splitlines())):
        for after in (1500 + 400 * (number % 5), 6000 + 1000 * (number % 4)):
            link.arm(after, lambda: link.cut(reset=True))
            code = _run(command, monkeypatch)
            said = capsys.readouterr()
            if link.is_armed:  # it was done before
                continue
            reached += 1
            assert "Traceback" not in said.err + said.out, (command, after)
            assert "_failed)" not in said.err, (command, after, said.err)
            if code == 1:
                assert "warehouse_" in said.err or command == "doctor", (command, after, said.err)
    assert reached > 20
