"""A new district's YAML: the settings there are, and every school, undecided until a person decides."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path

from rollcall.check.steps import School
from rollcall.district_edits.file import with_setting, written
from rollcall.errors import ActionRequired
from rollcall.settings import District, load_district, yaml_text
from rollcall.settings.sections import EXCLUDE, UNDECIDED


def new_file(
    district: District,
    schools: Sequence[School],
    *,
    today: date,
    targets: Mapping[str, str],
    timezone: str,
) -> str:
    """The text of a district's file.

    :param schools: all of the connection, with head-counts where they are known; without any, or with none to decide
        about, every school is its own site.
    :param targets: the vendor's sites, id to name; without any, the schools' own names are the targets.
    :param timezone: only where it is not that of the defaults.
    """
    lines = [
        f"# Taken in on {today:%Y-%m-%d}, when the check of its connection passed.",
        f"district: {district.district}",
        f"name: {written(district.name)}",
        f'version: "{district.version}"',
        f"starts_on: {today:%Y-%m-%d}  # the first night runs after it",
        f"usernames: {written(district.usernames)}  # compare fields: rollcall usernames compare {district.district}",
    ]
    lines += ["demographics: true"] if district.demographics else []
    lines += [f"schedule: {{timezone: {written(timezone)}}}"] if timezone else []
    lines += [] if not schools else _sites(district.district, schools, targets)
    return "\n".join(lines) + "\n"


def with_version(text: str, district: District) -> str:
    """A file that is there already, with the version that was found; the rest stays as somebody wrote it."""
    said = yaml_text.load(text)
    is_other = not isinstance(said, dict) or str(said.get("version")) != district.version
    return with_setting(text, ["version"], district.version) if is_other else text


def write_new(path: Path, text: str) -> None:
    """Write a district's file, and read it back as everybody will.

    :raises ActionRequired: `district_exists`, or `district_file` where it cannot be read; then it is not there.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        raise exists(path) from None
    try:
        load_district(path)
    except ActionRequired:
        path.unlink()
        raise


def write_over(path: Path, text: str) -> None:
    """Exchange a district's file for another text at once; back to the old one where the new one cannot be read."""
    before = path.read_text(encoding="utf-8")
    _exchange(path, text)
    try:
        load_district(path)
    except ActionRequired:
        _exchange(path, before)
        raise


def exists(path: Path) -> ActionRequired:
    """The error for a district that was taken in before."""
    return ActionRequired(
        "district_exists",
        f"There is a district {path.stem} already: {path.name} in {path.parent}.",
        remedy="To give it new credentials, add --replace: its connection is exchanged, what was decided stays.",
        district=path.stem,
    )


def _sites(district: str, schools: Sequence[School], targets: Mapping[str, str]) -> list[str]:
    names = dict.fromkeys(name for school in schools if (name := _one_line(school.name)) not in (EXCLUDE, UNDECIDED))
    whose = "Your sites, id to name." if targets else "The schools' own names; change them to those of your sites."
    own = [f"    {written(key)}: {written(name)}" for key, name in targets.items()]
    return [
        "sites:",
        f"  # {whose}",
        "  targets:",
        *(own or [f"    - {written(name)}" for name in names]),
        f"  # Each school is one of the targets, or {EXCLUDE}. Nobody at an {UNDECIDED} school has an account.",
        f"  # Suggestions: rollcall sites suggest {district}. Decide: rollcall sites set {district} SCHOOL SITE",
        "  map:",
        *(f"    {written(school.sourced_id)}: {UNDECIDED}  # {_heads(school)}" for school in schools),
    ]


def _heads(school: School) -> str:
    """A school's name and head-count, for a comment."""
    name = _one_line(school.name)
    if school.students is None or school.teachers is None:
        return f"{name}: not counted by the provider"
    return f"{name}: {school.students:,} students, {school.teachers:,} teachers"


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _exchange(path: Path, text: str) -> None:
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    beside.write_text(text, encoding="utf-8")
    beside.chmod(path.stat().st_mode & 0o777)
    beside.replace(path)
