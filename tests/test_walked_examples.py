"""The five examples of CONTRIBUTING.md, applied to a copy of the package, and two nights with the result."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import sqlalchemy as sa

from rollcall.warehouse.migrate import HEAD

ROOT = Path(__file__).resolve().parents[1]
_DIFF = re.compile(r"^```diff\n# (\S+)\n(.*?)^```$", re.DOTALL | re.MULTILINE)

#: Runs in the copy: a sandbox with the new quirk, whose resources service has three records and then two of them.
_NIGHTS = """
import json, os, sys
import msgspec
from click.testing import CliRunner
from rollcall.cli.main import rollcall
from rollcall_sandbox import QUIRKS, Sandbox, SandboxDistrict
from rollcall_sandbox.provider import Provider
from rollcall_sandbox.quirk import HttpResponse
from tests.providers.expectations import QUIRKS as TABLE

resources = [{"sourcedId": f"r{n}", "title": f"Book {n}", "vendorResourceId": "v"} for n in range(3)]
Provider._another_service = lambda self, scope, call: HttpResponse(
    200, msgspec.json.encode({"resources": resources}), {"X-Total-Count": str(len(resources))}
)
district = SandboxDistrict(app="maple", version="1.2", students=40, seed=5, quirks=frozenset({"room-numbers"}))


def run(*arguments):
    result = CliRunner().invoke(rollcall, list(arguments))
    assert result.exit_code == 0, result.output + repr(result.exception)
    return result.stdout


with Sandbox([district]) as sandbox:
    os.environ["AIRFLOW_CONN_ONEROSTER_MAPLE"] = json.dumps({
        "conn_type": "oneroster", "host": sandbox.base_url("maple"), "login": district.client_id,
        "password": district.client_secret, "extra": {"auth_url": sandbox.token_url("maple")},
    })
    run("db", "upgrade")
    nights = [json.loads(run("sync", "maple", "--json"))]
    resources[0]["title"] = "Another book"
    del resources[1:2]
    nights.append(json.loads(run("sync", "maple", "--full", "--json")))
    truth = sandbox.truth("maple")["collections"]
print(json.dumps({"nights": nights, "truth": truth, "quirks": QUIRKS.keys() == TABLE.keys(),
    "help": run("usernames", "--help"), "page": run("db", "describe")}))
"""


def apply_examples(page: str, root: Path, newest: int) -> list[str]:
    """Apply the page's diffs: a block is lines of the file with `+` and `-`, or all lines of a new file."""
    changed = []
    for path, block in _DIFF.findall(page):
        if "00NN" in path:
            block = block.replace("00MM", f"{newest:04}").replace("00NN", f"{newest + 1:04}")
            path, newest = path.replace("00NN", f"{newest + 1:04}"), newest + 1
        lines = block.splitlines(keepends=True)
        old = "".join(line[1:] for line in lines if line[0] != "+")
        new = "".join(line[1:] for line in lines if line[0] != "-")
        file = root / path
        text = file.read_text(encoding="utf-8") if old else ""
        assert not old or text.count(old) == 1, f"{path} no longer contains:\n{old}"
        file.write_text(text.replace(old, new) if old else new, encoding="utf-8")
        changed.append(path)
    return changed


@pytest.fixture
def changed(tmp_path: Path) -> Path:
    """A copy of the package with all examples applied."""
    for folder in ("include", "tests/providers"):
        shutil.copytree(ROOT / folder, tmp_path / folder, ignore=shutil.ignore_patterns("__pycache__"))
    page = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    assert len(apply_examples(page, tmp_path, int(HEAD))) == 9
    return tmp_path


def test_every_example_works_as_written(engine: sa.Engine, changed: Path) -> None:
    (changed / "districts").mkdir()
    (changed / "districts" / "maple.yaml").write_text(
        'district: maple\nname: Maple\nversion: "1.2"\nusernames: userMasterIdentifier\nstarts_on: 2026-11-21\n'
        "collections: [orgs, academic_sessions, courses, classes, users, enrollments, resources]\n",
        encoding="utf-8",
    )
    url = engine.url
    warehouse = {"conn_type": "postgres", "host": url.query["host"], "login": url.username, "schema": url.database}
    environment = os.environ | {
        "PYTHONPATH": os.pathsep.join([str(changed / "include"), str(changed)]),
        "AIRFLOW_CONN_WAREHOUSE": json.dumps(warehouse),
        "ROLLCALL_DISTRICTS": str(changed / "districts"),
        "ROLLCALL_LANDING": str(changed / "landing"),
    }
    done = subprocess.run(
        [sys.executable, "-c", _NIGHTS], env=environment, cwd=changed, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-4000:]
    report = json.loads(done.stdout)
    first, second = ({row["table_name"]: row for row in night["counts"]} for night in report["nights"])
    with engine.connect() as connection:

        def ask(query: str) -> int:
            return connection.execute(sa.text(f"SELECT count(*) FROM {query}")).scalar_one()

        scheduled = ask("roster.classes WHERE class_type = 'scheduled'")
        # the quirk and the column
        assert report["quirks"]
        assert ask("roster.classes WHERE room_number LIKE 'R-%'") == scheduled > 0
        assert ask("roster_history.classes WHERE room_number IS NOT NULL") == scheduled
        assert "| `room_number` | text |" in report["page"]
        # the rule
        homerooms = report["truth"]["classes"]["active"] - scheduled
        assert ask(f"roster_ops.findings WHERE rule = 'room_number_missing' AND count = {homerooms}") == 2
        # the username field
        assert ask("roster.accounts WHERE username_field = 'userMasterIdentifier'") == ask("roster.accounts") > 0
        assert "userMasterIdentifier" in report["help"]
        # the collection: three received, then one changed and one missing
        assert (first["resources"]["added"], second["resources"]["changed"], second["resources"]["missing"]) == (
            3,
            1,
            1,
        )
        assert ask("roster.resources WHERE title LIKE '%ook%' AND vendor_resource_id = 'v'") == 3
