"""Single settings of a district: the file with new values, and what changed, for the record."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from rollcall.district_edits.file import DistrictFile, Edit, with_setting
from rollcall.settings import yaml_text

#: Parts of a file whose values can name people, so records of changes leave them out.
_ABOUT_PEOPLE = ("people",)


def with_values(file: DistrictFile, values: Mapping[str, Any]) -> Edit:
    """The file with these settings. Values that count already, also from the defaults, are not written.

    :param values: by path, joined with dots: `schedule.timezone`.
    :raises ActionRequired: `district_file`.
    """
    current = msgspec.to_builtins(file.district)
    changed = {path: value for path, value in values.items() if _value_at(current, path.split(".")) != value}

    def change(text: str) -> str:
        for path, value in changed.items():
            text = with_setting(text, path.split("."), value)
        return text

    return file.edited(change)


def changed_values(edit: Edit) -> tuple[dict[str, Any], dict[str, Any]]:
    """The settings that an edit changes, by path: before and after. Nothing about people."""
    before, after = (_flat(yaml_text.load(text)) for text in (edit.file.text, edit.text))
    paths = [path for path in (before | after) if before.get(path) != after.get(path)]
    paths = [path for path in paths if path.partition(".")[0] not in _ABOUT_PEOPLE]
    return {path: before.get(path) for path in paths}, {path: after.get(path) for path in paths}


def _flat(node: Any, prefix: str = "") -> dict[str, Any]:
    if isinstance(node, dict) and node:
        found: dict[str, Any] = {}
        for key, value in node.items():
            found |= _flat(value, f"{prefix}{key}.")
        return found
    return {prefix.rstrip("."): msgspec.to_builtins(node, str_keys=True)} if prefix else {}


def _value_at(node: Any, path: list[str]) -> Any:
    for key in path:
        node = node.get(key) if isinstance(node, dict) else None
    return node
