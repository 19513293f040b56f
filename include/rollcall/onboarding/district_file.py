"""A new district's YAML file: its settings, and every school, undecided until a person decides."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path

from rollcall.check.steps import School
from rollcall.display.printable import printable
from rollcall.district_edits.file import is_folder_writable, with_setting, written
from rollcall.errors import ActionRequired
from rollcall.settings import District, load_district, yaml_text
from rollcall.settings.sections import EXCLUDE, UNDECIDED


def new_file(
    district: District,
    schools: Sequence[School],
    *,
    added: date,
    starts_on: date,
    targets: Mapping[str, str],
    timezone: str,
    is_checked: bool = True,
) -> str:
    """The text of a district's file.

    :param schools: all schools of the connection, with head counts if known. Without any, every school is its own site.
    :param targets: the vendor's sites, ID to name. Without any, the schools' own names are the targets.
    :param timezone: only if it differs from the defaults.
    :param is_checked: whether the check of its connection has passed.
    """
    when = "after" if is_checked else "before"
    key = district.district
    lines = [
        f"# Added on {added:%Y-%m-%d}, {when} the check of its connection passed.",
        f"district: {key}",
        f"name: {written(district.name)}",
        f'version: "{district.version}"',
        f"starts_on: {starts_on:%Y-%m-%d}  # the first night is the one after this date",
        f"usernames: {written(district.usernames)}  # compare fields: rollcall usernames compare {district.district}",
    ]
    lines += ["demographics: true"] if district.demographics else []
    lines += [f"schedule: {{timezone: {written(timezone)}}}"] if timezone else []
    lines += [] if not schools else _sites(district.district, schools, targets)
    return "\n".join(lines) + "\n"


def with_version(text: str, district: District) -> str:
    """An existing file with the version that was found. Everything else stays as written."""
    said = yaml_text.load(text)
    is_other = not isinstance(said, dict) or str(said.get("version")) != district.version
    return with_setting(text, ["version"], district.version) if is_other else text


def write_new(path: Path, text: str) -> None:
    """Write a district's file, and read it back.

    :raises ActionRequired: `district_exists`, `district_file_readonly`, or `district_file` if it cannot be read. Then
        it is deleted again.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
    except OSError as error:
        if path.exists():
            raise exists(path, None) from None
        raise not_writable(path, error.strerror or type(error).__name__) from None
    try:
        load_district(path)
    except ActionRequired:
        path.unlink()
        raise


def require_writable(path: Path) -> None:
    """:raises ActionRequired: `district_file_readonly` if a district's file cannot be written there."""
    folder = next(one for one in path.absolute().parents if one.exists())
    if not (folder.is_dir() and is_folder_writable(folder)):
        raise not_writable(path, "the folder is read-only")


def not_writable(path: Path, reason: str) -> ActionRequired:
    """The error for a district's file that is not written here."""
    return ActionRequired(
        "district_file_readonly",
        f"{path.name} cannot be written in {path.parent}: {reason}.",
        remedy="Run it where the folder is writable, or set ROLLCALL_DISTRICTS to another folder. Where the folder is "
        "deployed from a repository, add the district on the page Rosters: it gives the finished file.",
        district=path.stem,
    )


def exists(path: Path, district: District | None) -> ActionRequired:
    """The error for an ID that is in use."""
    name = f", {district.name}" if district else ""
    return ActionRequired(
        "district_exists",
        f"There is already a district {path.stem}{name}: {path.name} in {path.parent}.",
        remedy="To give it new credentials, add --replace: the connection is replaced, and all decisions stay. For "
        "another district, use another ID.",
        district=path.stem,
    )


def _sites(district: str, schools: Sequence[School], targets: Mapping[str, str]) -> list[str]:
    names = dict.fromkeys(name for school in schools if (name := _one_line(school.name)) not in (EXCLUDE, UNDECIDED))
    whose = "Your sites, ID to name." if targets else "The schools' own names. Change them to the names of your sites."
    own = [f"    {written(key)}: {written(name)}" for key, name in targets.items()]
    if all(key == name for key, name in targets.items()):
        own = [f"    - {written(name)}" for name in targets]
    return [
        "sites:",
        f"  # {whose}",
        "  targets:",
        *(own or [f"    - {written(name)}" for name in names]),
        f"  # A school is one of the targets, or {EXCLUDE}. Nobody at an {UNDECIDED} school gets an account.",
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
    return printable(" ".join(text.split()))
