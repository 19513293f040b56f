"""What a command cannot do is said before it loads the pipeline, which takes seconds."""

from __future__ import annotations

import json
import subprocess
import sys

COMMANDS = [
    "sync maple",
    "sync maple --remap",
    "backfill maple --from 2026-11-03 --to 2026-11-03",
    "rollback maple --to run",
    "resume maple",
    "roster maple --as-of 2026-11-03",
    "status",
    "explain maple ada",
    "diff maple",
    "holds list",
    "holds show maple",
    "sites list maple",
    "usernames compare maple",
    "people exclude maple ada --reason left",
    "districts purge maple",
    "db upgrade",
    "sync mapel",
]

#: Runs every command in one process, and reports the error and whether the slow packages were loaded by then.
_PROGRAM = """
import json, sys
from click.testing import CliRunner
from rollcall.cli.main import rollcall
found = []
for command in json.loads(sys.argv[1]):
    error = CliRunner().invoke(rollcall, command.split()).exception
    found.append([command, getattr(error, "code", repr(error)), "great_expectations" in sys.modules])
print(json.dumps(found))
"""


def test_a_missing_setting_is_reported_before_anything_slow_is_loaded(tmp_path, monkeypatch):
    (tmp_path / "maple.yaml").write_text('district: maple\nname: Maple\nversion: "1.2"\nusernames: email\n')
    monkeypatch.setenv("ROLLCALL_DISTRICTS", str(tmp_path))
    done = subprocess.run(
        [sys.executable, "-c", _PROGRAM, json.dumps(COMMANDS)], capture_output=True, text=True, check=True, cwd=tmp_path
    )
    found = json.loads(done.stdout.splitlines()[-1])
    codes = {command: code for command, code, _ in found}
    expected = dict.fromkeys(COMMANDS, "no_warehouse")
    assert codes == expected | {"sync maple": "connection_missing", "sync mapel": "district_unknown"}
    assert [command for command, _, is_slow in found if is_slow] == []
