"""A published roster with schools to decide about, and the district's file."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from click.testing import CliRunner, Result

from rollcall.cli.main import rollcall
from rollcall.district_edits.file import DistrictFile
from rollcall.errors import RollcallError
from tests.conftest import Nights

#: sourcedId, name, type, identifier.
ORGS = [
    ("district", "Elm District", "district", "100"),
    ("office", "Office of Transport", "department", "109"),
    ("north", "Lincoln Elem", "school", "101"),
    ("south", "Lincoln Middle School", "school", "102"),
    ("annex", "Grant Elementary", "school", "103"),
]

#: sourcedId, role, org, grade.
PEOPLE = [
    ("ada", "student", "north", "05"),
    ("ben", "student", "north", "05"),
    ("cid", "student", "south", "07"),
    ("dot", "student", "annex", "02"),
    ("eve", "teacher", "north", None),
    ("eve", "teacher", "annex", None),
    ("fay", "principal", "south", None),
    ("gus", "administrator", "office", None),
    ("pat", "guardian", "north", None),
]

ELM = """\
district: elm   # as in the contract
name: Elm
version: "1.2"
schedule: {timezone: UTC}
usernames: email
"""


def roster(orgs: list[tuple[str, str, str, str]] = ORGS, **emails: str | None) -> dict[str, list[dict[str, Any]]]:
    """The roster of a night; `emails` are those of people who have another than their name's."""
    users: dict[str, dict[str, Any]] = {}
    for name, _, org, grade in PEOPLE:
        users.setdefault(
            name,
            {
                "sourced_id": name,
                "given_name": name.title(),
                "family_name": "Planted-Okonkwo",
                "username": f"{name}7",
                "email": emails.get(name, f"{name}@elm.example"),
                "identifier": f"id-{name}",
                "primary_org_sourced_id": org,
                "grades": f'["{grade}"]' if grade else "[]",
                "user_ids": f'[{{"type": "LDAP", "identifier": "l-{name}"}}]' if name < "d" else "[]",
                "metadata": f'{{"ic": {{"number": {len(users)}}}}}',
            },
        )
    return {
        "orgs": [{"sourced_id": key, "name": name, "type": kind, "identifier": id_} for key, name, kind, id_ in orgs],
        "academic_sessions": [{"sourced_id": "year", "title": "2026-2027", "type": "schoolYear"}],
        "users": list(users.values()),
        "user_roles": [
            {
                "user_sourced_id": name,
                "role_key": f"{role}|{org}|",
                "org_sourced_id": org,
                "role": role,
                "role_type": "primary",
            }
            for name, role, org, _ in PEOPLE
        ],
    }


class Elm:
    """The district elm: its file, its published nights, its commands."""

    def __init__(self, path: Path, nights: Nights) -> None:
        self.path = path
        self.nights = nights

    def publish(self, rows: dict[str, list[dict[str, Any]]] | None = None, **how: Any) -> None:
        """A night with the file as it is."""
        self.nights.district = DistrictFile.of(str(self.path)).district
        self.nights.publish(rows or roster(), **how)

    def says(self, more: str, instead_of: str = "") -> None:
        """Change the file by hand: something added, or in place of something."""
        text = self.path.read_text(encoding="utf-8")
        self.path.write_text(text.replace(instead_of, more) if instead_of else text + more, encoding="utf-8")

    @property
    def text(self) -> str:
        return self.path.read_text(encoding="utf-8")

    def accounts(self) -> dict[str, list[str]]:
        """Who has an account at which sites."""
        found: dict[str, list[str]] = {}
        for user, site in self.nights.live("accounts", "user_sourced_id", "site_id"):
            found.setdefault(user, []).append(site)
        return {user: sorted(sites) for user, sites in sorted(found.items())}


@pytest.fixture
def elm(tmp_path: Path, nights: Nights, engine: sa.Engine, monkeypatch: pytest.MonkeyPatch) -> Elm:
    folder = tmp_path / "districts"
    folder.mkdir()
    path = folder / "elm.yaml"
    path.write_text(ELM, encoding="utf-8")
    monkeypatch.setenv("ROLLCALL_DISTRICTS", str(folder))
    monkeypatch.setenv("AIRFLOW_CONN_WAREHOUSE", engine.url.render_as_string(hide_password=False))
    return Elm(path, nights)


@pytest.fixture
def command() -> Callable[..., Result]:
    """Runs `rollcall`; our own errors come out as they are."""

    def run(*arguments: str) -> Result:
        result = CliRunner().invoke(rollcall, list(arguments))
        if isinstance(result.exception, RollcallError):
            raise result.exception
        assert result.exception is None or isinstance(result.exception, SystemExit), result.output
        return result

    return run
