"""Reading districts' files, and saying with file, line and key what is wrong with one.

The files lie in the folder `ROLLCALL_DISTRICTS` (default `include/districts`); `_defaults.yaml` there is laid under
each of them (maps merge, lists replace).
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any, get_args

import msgspec
import yaml

from include import yaml_lines
from include.errors import NeedsPerson
from include.settings.base import Settings, nearest
from include.settings.district import District
from include.settings.filters import Filters
from include.settings.guards import RETIRED, Floor, Guards, Rollover
from include.settings.people import PersonDecision
from include.settings.retention import Retention
from include.settings.roles import RoleTarget
from include.settings.rules import RuleChange
from include.settings.schedule import Politeness, Schedule
from include.settings.sites import Sites
from include.settings.usernames import Usernames, UsernameSource


def districts_folder() -> Path:
    """`ROLLCALL_DISTRICTS`, else the folder shipped beside this module."""
    return Path(os.environ.get("ROLLCALL_DISTRICTS") or Path(__file__).parent.parent / "districts")


def district_files(folder: Path | None = None) -> list[Path]:
    """The districts' files, sorted; names that begin with `_` or `.` are not districts."""
    return sorted(path for path in (folder or districts_folder()).glob("*.yaml") if path.name[0] not in "_.")


def load_district(path: Path) -> District:
    """Read one district's file over the defaults beside it.

    :raises NeedsPerson: `district_file` with the file, the line, the key and the nearest valid one.
    """
    data = _read(path)
    defaults_path = path.parent / "_defaults.yaml"
    defaults = _read(defaults_path) if defaults_path.exists() else {}
    try:
        district = msgspec.convert(_merged(defaults, data), District)
    except msgspec.ValidationError as exc:
        raise _explained(path, defaults_path, data, str(exc)) from None
    if district.district != path.stem:
        raise error_in(path, 1, f"district is {district.district!r} but the file is {path.name}", "Make them equal.")
    return district


def load_districts(only: str | None = None) -> tuple[list[District], list[NeedsPerson]]:
    """Every district that can be read, and what is wrong with the files that cannot: one takes no other with it.

    :param only: read this district's file alone, as a task of its DAG does at its start.
    """
    districts, errors = [], []
    for path in district_files():
        if only is not None and path.stem != only:
            continue
        try:
            districts.append(load_district(path))
        except NeedsPerson as error:
            errors.append(error)
    return districts, errors


def find_district(name: str) -> District:
    """A district by its id, or by the path to its file.

    :raises NeedsPerson: `district_unknown`, naming the nearest district there is.
    """
    path = Path(name) if name.endswith((".yaml", ".yml")) or "/" in name else districts_folder() / f"{name}.yaml"
    if not path.is_file():
        near = nearest(path.stem, [file.stem for file in district_files(path.parent)])
        raise NeedsPerson(
            "district_unknown",
            f"There is no district {name!r} in {path.parent}{near}.",
            remedy="Name a district of that folder, or set ROLLCALL_DISTRICTS to the folder of your districts.",
        )
    return load_district(path)


def json_schema() -> dict[str, Any]:
    """The JSON Schema of a district's file, for editors."""
    return msgspec.json.schema(District)


def _read(path: Path) -> dict[str, Any]:
    try:
        data = yaml_lines.load(path.read_text(encoding="utf-8"))
    except yaml.YAMLError as exc:
        mark = getattr(exc, "problem_mark", None)
        line = mark.line + 1 if mark else 1
        raise error_in(path, line, f"not valid YAML: {getattr(exc, 'problem', 'unreadable')}", "") from None
    if data is None:
        data = {}
    if not isinstance(data, dict):
        raise error_in(path, 1, "a district's file is a map of settings", "Begin with `district: …`.")
    if isinstance(data.get("version"), float):
        data["version"] = str(data["version"])
    return data


def _merged(under: dict[str, Any], over: dict[str, Any]) -> dict[str, Any]:
    merged = dict(under)
    for key, value in over.items():
        both_maps = isinstance(value, dict) and isinstance(under.get(key), dict)
        merged[key] = _merged(under[key], value) if both_maps else value
    return merged


_UNKNOWN = re.compile(r"Object contains unknown field `(?P<key>.*?)`")
_MISSING = re.compile(r"Object missing required field `(?P<key>.*?)`")
_AT = re.compile(r" - at `(?P<at>\$.*?)`$")


def _explained(path: Path, defaults_path: Path, data: dict[str, Any], text: str) -> NeedsPerson:
    """A msgspec message as a sentence with file, line, key and the nearest valid key."""
    at = _AT.search(text)
    keys = re.findall(r"[^.$\[\]]+", at["at"]) if at else []
    text = _AT.sub("", text)
    if unknown := _UNKNOWN.search(text):
        key = unknown["key"]
        file = _file_of(path, defaults_path, data, [*keys, key])
        valid = _fields_at(keys)
        near = nearest(key, valid)
        where = f" in {'.'.join(keys)}" if keys else ""
        if keys == ["guards"] and key in RETIRED:
            line = yaml_lines.line_of(file, keys, key=key)
            return error_in(file, line, f"{key!r}{where} is now {RETIRED[key]}", f"Set those in place of {key!r}.")
        remedy = f"Valid keys{where}: {', '.join(valid)}." if valid else ""
        return error_in(file, yaml_lines.line_of(file, keys, key=key), f"unknown key {key!r}{where}{near}", remedy)
    if missing := _MISSING.search(text):
        key = ".".join([*keys, missing["key"]])
        return error_in(path, yaml_lines.line_of(path, keys), f"missing key {key!r}", f"Add `{missing['key']}: …`.")
    file = _file_of(path, defaults_path, data, keys)
    subject = f"{'.'.join(keys)}: " if keys else ""
    remedy = f"A role becomes one of: {', '.join(get_args(RoleTarget))}." if keys[:1] == ["roles"] else ""
    return error_in(file, yaml_lines.line_of(file, keys), f"{subject}{text}", remedy)


def _file_of(path: Path, defaults_path: Path, data: dict[str, Any], keys: list[str]) -> Path:
    """The file to change: the defaults only for a section the district itself does not mention."""
    return defaults_path if keys and keys[0] not in data and defaults_path.exists() else path


def _fields_at(keys: list[str]) -> list[str]:
    """The keys valid at a place in the file, from the settings' own classes."""
    places: dict[tuple[str, ...], type[Settings]] = {
        (): District,
        ("schedule",): Schedule,
        ("politeness",): Politeness,
        ("sites",): Sites,
        ("filters",): Filters,
        ("guards",): Guards,
        ("guards", "floor"): Floor,
        ("rollover",): Rollover,
        ("retention",): Retention,
        # a decision per person and a change per rule: the names between are the district's own
        ("people",): PersonDecision,
        ("rules",): RuleChange,
        ("usernames",): Usernames,
        ("usernames", "student"): UsernameSource,
        ("usernames", "staff"): UsernameSource,
    }
    kind = places.get(tuple(key for key in keys if key != "..." and not key.isdigit()))
    return list(kind.__struct_encode_fields__) if kind else []


def error_in(path: Path, line: int, problem: str, remedy: str) -> NeedsPerson:
    return NeedsPerson("district_file", f"{path.name}, line {line}: {problem}.", remedy=remedy, district=path.stem)
