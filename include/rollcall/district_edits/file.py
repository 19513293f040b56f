"""A change to a district's file: made, checked, shown as a diff, and then written."""

from __future__ import annotations

import difflib
import json
import os
import re
import shutil
import tempfile
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from rollcall.display.printable import as_yaml, printable
from rollcall.errors import ActionRequired
from rollcall.settings import District, district_path, find_district, load_district, yaml_text

# Changes one setting in a YAML text and nothing else.
#
# The parser gives the first and the last character of a setting, and only these are replaced. Comments, order, quotes,
# and spacing of everything else stay as written, which loading and dumping cannot guarantee.

_Loader: type = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

#: Texts that need no quotes, unless YAML reads them as something else, such as `on`. A text that begins with a digit
#: always has quotes: for some parsers `626891e9` is a number.
_PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_.@/+-]*( [A-Za-z0-9_(][A-Za-z0-9_.@/+()-]*)*")


def with_setting(text: str, path: Sequence[str], value: Any, *, remark: str = "") -> str:
    """The text with `value` at `path`. Missing maps on the way are created.

    :param path: the keys from the top of the file.
    :param value: text, number, boolean, date, or lists and maps of them.
    :param remark: a comment after the setting, if it is new and has its own line.
    """
    root = yaml.compose(text, Loader=_Loader)
    if root is None:
        return _appended(text, len(text), _block(path, value, 0, remark))
    node, found = root, 0
    while found < len(path) and isinstance(node, yaml.MappingNode) and (entry := _entry(node, path[found])):
        parent, (key, node) = node, entry
        found += 1
    rest = path[found:]
    if isinstance(node, yaml.MappingNode) and rest:
        return _added(text, node, rest, value, remark)
    # the whole setting is replaced, or a scalar (nothing, or the short form) becomes a map
    return _replaced(text, parent, key, node, _nested(rest, value))


def without_setting(text: str, path: Sequence[str]) -> str:
    """The text without the setting at `path`, and without a map that it would leave empty."""
    node: yaml.Node | None = yaml.compose(text, Loader=_Loader)
    chain: list[tuple[yaml.MappingNode, yaml.Node, yaml.Node]] = []
    for name in path:
        if not isinstance(node, yaml.MappingNode) or (entry := _entry(node, name)) is None:
            return text
        chain.append((node, *entry))
        node = entry[1]
    while len(chain) > 1 and len(chain[-1][0].value) == 1:
        chain.pop()
    parent, key, value = chain[-1]
    if not parent.flow_style:
        start = text.rfind("\n", 0, key.start_mark.index) + 1
        return text[:start] + text[_line_end(text, _end(value)) :]
    index = [id(pair[0]) for pair in parent.value].index(id(key))
    if index + 1 < len(parent.value):
        return text[: key.start_mark.index] + text[parent.value[index + 1][0].start_mark.index :]
    start = _end(parent.value[index - 1][1]) if index else key.start_mark.index
    return text[:start] + text[_end(value) :]


def written(value: Any) -> str:
    """A value in YAML's flow style. A text is quoted unless YAML reads it as that text."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{written(key)}: {written(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(written(item) for item in value) + "]"
    if isinstance(value, str):
        is_plain = _PLAIN.fullmatch(value) is not None and yaml_text.load(value) == value
        return value if is_plain else as_yaml(value)
    if isinstance(value, (bool, int)) or value is None:
        return json.dumps(value)
    return str(value)


def _entry(node: yaml.MappingNode, name: str) -> tuple[yaml.Node, yaml.Node] | None:
    return next(((key, value) for key, value in node.value if key.value == name), None)


def _added(text: str, parent: yaml.MappingNode, path: Sequence[str], value: Any, remark: str) -> str:
    """A new entry at the end of a map."""
    if not parent.flow_style:
        column = parent.value[0][0].start_mark.column
        return _appended(text, _line_end(text, _end(parent.value[-1][1])), _block(path, value, column, remark))
    inner = f"{written(path[0])}: {written(_nested(path[1:], value))}"
    if parent.value:
        at = _end(parent.value[-1][1])
        return f"{text[:at]}, {inner}{text[at:]}"
    return text[: parent.start_mark.index] + "{" + inner + "}" + text[parent.end_mark.index :]


def _replaced(text: str, parent: yaml.MappingNode, key: yaml.Node, node: yaml.Node, value: Any) -> str:
    start, end = node.start_mark.index, _end(node)
    is_block = isinstance(node, yaml.CollectionNode) and not node.flow_style
    opens = isinstance(value, dict) and not parent.flow_style and not is_block
    column = node.start_mark.column if is_block else key.start_mark.column + 2
    if is_block or opens:
        lines = _lines(value, column)
        ending = _newline(text)
        if is_block:
            return text[:start] + ending.join(lines).lstrip() + text[end:]
        after = text[end : _line_end(text, end)].rstrip("\r\n")
        body = ending.join(["" + after.rstrip(), *lines])
        return text[:start].rstrip(" ") + body + text[end + len(after) :]
    gap = "" if text[start - 1 : start] in (" ", "\n") else " "
    return text[:start] + gap + written(value) + text[end:]


def _block(path: Sequence[str], value: Any, column: int, remark: str) -> list[str]:
    """The lines of a new setting. Each map on the way has its own line."""
    lines = [f"{' ' * (column + 2 * depth)}{written(name)}:" for depth, name in enumerate(path)]
    lines[-1] += f" {written(value)}"
    if remark:
        lines[-1] += "  # " + printable(" ".join(remark.split()))
    return lines


def _lines(value: Any, column: int) -> list[str]:
    indent = " " * column
    if isinstance(value, dict):
        return [f"{indent}{written(key)}: {written(item)}" for key, item in value.items()]
    if isinstance(value, list):
        return [f"{indent}- {written(item)}" for item in value]
    return [f"{indent}{written(value)}"]


def _nested(path: Sequence[str], value: Any) -> Any:
    for name in reversed(path):
        value = {name: value}
    return value


def _appended(text: str, at: int, lines: list[str]) -> str:
    ending = _newline(text)
    before = text[:at]
    if before and not before.endswith("\n"):
        before += ending
    return before + "".join(line + ending for line in lines) + text[at:]


def _newline(text: str) -> str:
    return "\r\n" if "\r\n" in text else "\n"


def _line_end(text: str, at: int) -> int:
    """The end of the line of a position, including its line break. A block scalar already ends there."""
    if at and text[at - 1] == "\n":
        return at
    found = text.find("\n", at)
    return len(text) if found < 0 else found + 1


def _end(node: yaml.Node) -> int:
    """The end of a node. The parser's mark of a block is after the comments that follow it."""
    if isinstance(node, yaml.MappingNode) and not node.flow_style and node.value:
        return _end(node.value[-1][1])
    if isinstance(node, yaml.SequenceNode) and not node.flow_style and node.value:
        return _end(node.value[-1])
    end: int = node.end_mark.index
    return end


def read_as(path: Path, text: str) -> District:
    """The district that a text would describe as the file at a path, with the defaults of its folder.

    :raises ActionRequired: `district_file`.
    """
    with tempfile.TemporaryDirectory(prefix="rollcall-edit-") as folder:
        defaults = path.parent / "_defaults.yaml"
        if defaults.exists():
            shutil.copyfile(defaults, Path(folder) / defaults.name)
        trial = Path(folder) / path.name
        _write(trial, text)
        return load_district(trial)


@dataclass(frozen=True)
class DistrictFile:
    """One district's file.

    :param text: with its own line breaks.
    """

    path: Path
    text: str
    district: District

    @classmethod
    def of(cls, name: str) -> DistrictFile:
        """The file of a district, by ID or path.

        :raises ActionRequired: `district_unknown`, `district_file`.
        """
        district = find_district(name)
        path = district_path(name)
        return cls(path.resolve(), _read(path), district)

    def edited(self, change: Callable[[str], str]) -> Edit:
        """The changed file, which is checked before anything is written.

        :param change: from the file's text to the new text.
        :raises ActionRequired: `district_file` if the new text is not a valid district.
        """
        text = change(self.text)
        return Edit(self, text, read_as(self.path, text))


@dataclass(frozen=True)
class Edit:
    """A change that was checked and is not written yet.

    :param text: the new text of the whole file.
    :param district: the district that it describes.
    """

    file: DistrictFile
    text: str
    district: District

    @property
    def changes_nothing(self) -> bool:
        return yaml_text.load(self.text) == yaml_text.load(self.file.text)

    def diff(self) -> str:
        """The lines that differ, like `diff -u`."""
        name = self.file.path.name
        before, after = (text.splitlines() for text in (self.file.text, self.text))
        return "\n".join(difflib.unified_diff(before, after, name, name, lineterm="", n=1))

    def require_unchanged(self) -> None:
        """:raises ActionRequired: `district_file_changed` if the file was changed since it was read."""
        path = self.file.path
        if _read(path) != self.file.text:
            raise ActionRequired(
                "district_file_changed",
                f"{path.name} was changed in the meantime.",
                remedy="Nothing was written. Run the command again.",
                district=self.file.district.district,
            )

    def write(self) -> None:
        """Replace the file in one step: a reader sees the old text or the new one.

        :raises ActionRequired: `district_file_changed` if the file was changed since it was read,
            `district_file_readonly`.
        """
        self.require_unchanged()
        path = self.file.path
        temporary = path.with_name(f".{path.name}.new")
        try:
            _write(temporary, self.text)
            shutil.copymode(path, temporary)
            temporary.replace(path)
        except OSError as exc:
            with suppress(OSError):
                temporary.unlink()
            raise ActionRequired(
                "district_file_readonly",
                f"{path.name} cannot be written here ({exc.strerror}).",
                remedy="Make the change above in the repository of the district files, and deploy it.",
                district=self.file.district.district,
            ) from None


def is_folder_writable(folder: Path) -> bool:
    """Whether districts' files are edited in place. `ROLLCALL_DISTRICTS_READ_ONLY=true` where they are deployed, for
    example from git: an edit there would be lost at the next deployment.
    """
    is_deployed = os.environ.get("ROLLCALL_DISTRICTS_READ_ONLY", "").strip().lower() in ("1", "true", "yes")
    return not is_deployed and os.access(folder, os.W_OK)


def _read(path: Path) -> str:
    with path.open(encoding="utf-8", newline="") as file:
        return file.read()


def _write(path: Path, text: str) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        file.write(text)
