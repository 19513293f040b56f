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

from rollcall.errors import ActionRequired
from rollcall.settings.district import District
from rollcall.settings.retired import first_retired
from rollcall.settings.schedule import ExtractSettings, Schedule
from rollcall.settings.sections import (
    Filters,
    Floor,
    Guards,
    PersonDecision,
    Retention,
    RoleTarget,
    Rollover,
    RuleChange,
    Settings,
    Sites,
    Usernames,
    UsernameSource,
    nearest,
)
from rollcall.settings.shards import shard_of

# Where in a YAML file a setting stands, so that an error can name the line a person has to change.

_Loader: type = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def load(text: str) -> object:
    """The file's content; the C loader reads a thousand district files in 0.3 s.

    :raises yaml.YAMLError: for what is not YAML.
    """
    return yaml.load(text, Loader=_Loader)  # noqa: S506 - a safe loader in C


def line_of(path: Path, keys: list[str], *, key: str | None = None) -> int:
    """The line, from 1, of the setting reached through `keys`, or of `key` inside it; the nearest that exists."""
    node = yaml.compose(path.read_text(encoding="utf-8"), Loader=_Loader)
    line: int = node.start_mark.line if node is not None else 0
    for name in [*keys, *([key] if key else [])]:
        found = _child(node, name)
        if found is None:
            break
        line, node = found
    return line + 1


def _child(node: yaml.Node | None, name: str) -> tuple[int, yaml.Node] | None:
    if isinstance(node, yaml.MappingNode):
        for key_node, value_node in node.value:
            if key_node.value == name:
                return key_node.start_mark.line, value_node
    if isinstance(node, yaml.SequenceNode) and name.isdigit() and int(name) < len(node.value):
        item = node.value[int(name)]
        return item.start_mark.line, item
    return None


def districts_folder() -> Path:
    """`ROLLCALL_DISTRICTS`, else the folder shipped beside this module."""
    return Path(os.environ.get("ROLLCALL_DISTRICTS") or Path(__file__).parents[2] / "districts")


def district_files(folder: Path | None = None) -> list[Path]:
    """The districts' files, sorted; names that begin with `_` or `.` are not districts."""
    return sorted(path for path in (folder or districts_folder()).glob("*.yaml") if path.name[0] not in "_.")


def load_district(path: Path) -> District:
    """Read one district's file over the defaults beside it.

    :raises ActionRequired: `district_file` with the file, the line, the key and the nearest valid one.
    """
    data = _read(path)
    defaults_path = path.parent / "_defaults.yaml"
    defaults = _read(defaults_path) if defaults_path.exists() else {}
    for file, settings in ((path, data), (defaults_path, defaults)):
        _refuse_retired(file, settings)
    try:
        district = msgspec.convert(_merged(defaults, data), District)
    except msgspec.ValidationError as exc:
        raise _explained(path, defaults_path, data, str(exc)) from None
    if district.district != path.stem:
        raise error_in(path, 1, f"district is {district.district!r} but the file is {path.name}", "Make them equal.")
    return district


def load_districts(only: str | None = None, *, shard: int | None = None) -> tuple[list[District], list[ActionRequired]]:
    """Every district that can be read, and what is wrong with the files that cannot: one takes no other with it.

    :param only: read this district's file alone, as a task of its DAG does at its start.
    :param shard: read only the districts of this DAG file, from 0.
    """
    districts, errors = [], []
    for path in district_files():
        if only is not None and path.stem != only:
            continue
        if shard is not None and shard_of(path.stem) != shard:
            continue
        try:
            districts.append(load_district(path))
        except ActionRequired as error:
            errors.append(error)
    return districts, errors


def find_district(name: str) -> District:
    """A district by its id, or by the path to its file.

    :raises ActionRequired: `district_unknown`, naming the nearest district there is.
    """
    path = Path(name) if name.endswith((".yaml", ".yml")) or "/" in name else districts_folder() / f"{name}.yaml"
    if not path.is_file():
        near = nearest(path.stem, [file.stem for file in district_files(path.parent)])
        raise ActionRequired(
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
        data = load(path.read_text(encoding="utf-8"))
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


def _refuse_retired(path: Path, data: dict[str, Any]) -> None:
    if found := first_retired(data):
        keys, retired = found
        what = f"{'.'.join(keys)}: {retired.value}" if retired.value else ".".join(keys)
        problem = f"{what!r} is retired and is now {retired.now}"
        raise error_in(path, line_of(path, keys), problem, "Use the new name in the district's file.")


def _merged(under: dict[str, Any], over: dict[str, Any]) -> dict[str, Any]:
    merged = dict(under)
    for key, value in over.items():
        both_maps = isinstance(value, dict) and isinstance(under.get(key), dict)
        merged[key] = _merged(under[key], value) if both_maps else value
    return merged


_UNKNOWN = re.compile(r"Object contains unknown field `(?P<key>.*?)`")
_MISSING = re.compile(r"Object missing required field `(?P<key>.*?)`")
_AT = re.compile(r" - at `(?P<at>\$.*?)`$")


def _explained(path: Path, defaults_path: Path, data: dict[str, Any], text: str) -> ActionRequired:
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
        remedy = f"Valid keys{where}: {', '.join(valid)}." if valid else ""
        return error_in(file, line_of(file, keys, key=key), f"unknown key {key!r}{where}{near}", remedy)
    if missing := _MISSING.search(text):
        key = ".".join([*keys, missing["key"]])
        return error_in(path, line_of(path, keys), f"missing key {key!r}", f"Add `{missing['key']}: …`.")
    file = _file_of(path, defaults_path, data, keys)
    subject = f"{'.'.join(keys)}: " if keys else ""
    remedy = f"A role becomes one of: {', '.join(get_args(RoleTarget))}." if keys[:1] == ["roles"] else ""
    return error_in(file, line_of(file, keys), f"{subject}{text}", remedy)


def _file_of(path: Path, defaults_path: Path, data: dict[str, Any], keys: list[str]) -> Path:
    """The file to change: the defaults only for a section the district itself does not mention."""
    return defaults_path if keys and keys[0] not in data and defaults_path.exists() else path


def _fields_at(keys: list[str]) -> list[str]:
    """The keys valid at a place in the file, from the settings' own classes."""
    places: dict[tuple[str, ...], type[Settings]] = {
        (): District,
        ("schedule",): Schedule,
        ("extract",): ExtractSettings,
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


def error_in(path: Path, line: int, problem: str, remedy: str) -> ActionRequired:
    return ActionRequired("district_file", f"{path.name}, line {line}: {problem}.", remedy=remedy, district=path.stem)
