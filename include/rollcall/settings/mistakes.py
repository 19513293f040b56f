"""Every mistake in a district's file and in `_defaults.yaml`, each with its line, in words.

Files are read by `rollcall.settings.files` in one step that stops at the first error. This module looks again, only at
files that failed, and goes on after each mistake: a person corrects a file once.
"""

from __future__ import annotations

import calendar
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from functools import cache
from pathlib import Path
from typing import Any

import msgspec
import yaml
from msgspec import inspect

from rollcall.settings import yaml_text
from rollcall.settings.base import Settings, dotted, nearest, nearest_of
from rollcall.settings.district import District
from rollcall.settings.retired import find_retired

KeyPath = tuple[str | int, ...]


@dataclass(frozen=True)
class Mistake:
    """One line to change.

    :param file: the file's name.
    :param line: from 1.
    :param key: the setting, such as `schedule.timezone`; empty for errors of the YAML itself.
    :param problem: what is wrong, without a period.
    :param remedy: what to do, as a sentence; may be empty.
    """

    file: str
    line: int
    key: str
    problem: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.file}, line {self.line}: {self.problem}. {self.remedy}".rstrip()


def find_mistakes(path: Path, defaults: Path) -> list[Mistake]:
    """Every mistake in a district's file and in the defaults, in the order of their lines."""
    documents = [_Document(path), *([_Document(defaults)] if defaults.exists() else [])]
    for document in documents:
        document.check_types()
    if all(document.is_readable for document in documents):
        _Values(documents).check(path.stem)
    return [
        mistake
        for document in documents
        for mistake in sorted(dict.fromkeys(document.mistakes), key=lambda each: each.line)
    ]


class _Document:
    """One file: its nodes, its mistakes, and the paths at which they are."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.mistakes: list[Mistake] = []
        self.wrong: set[KeyPath] = set()
        self.guesses: set[KeyPath] = set()
        self.root: yaml.Node | None = None
        self.data: object = None
        self.is_readable = self._read()

    def add(self, line: int, path: KeyPath, problem: str, remedy: str = "") -> None:
        self.wrong.add(path)
        self.mistakes.append(Mistake(self.path.name, line, dotted(path), problem, remedy))

    def _read(self) -> bool:
        try:
            text = self.path.read_bytes().decode("utf-8-sig")
        except UnicodeDecodeError as exc:
            line = exc.object[: exc.start].count(b"\n") + 1
            self.add(line, (), "has a character that is not UTF-8", "Save the file as UTF-8.")
            return False
        except OSError as exc:
            self.add(1, (), f"the file cannot be read ({exc.strerror})", "Check its permissions.")
            return False
        try:
            self.root = yaml_text.nodes(text)
            self.data, _ = yaml_text.load_strictly(text)
            for line, written in yaml_text.anchors(text):
                remedy = "Write the value out in each place. What all districts share belongs in _defaults.yaml."
                self.add(line, (), f"'{written}' is an anchor or an alias, which are not supported", remedy)
        except yaml.YAMLError as exc:
            line, problem, remedy = yaml_text.explain_error(exc, text)
            self.add(line, (), problem, remedy)
            return False
        except RecursionError:
            self.add(1, (), "is nested too deeply", "Remove the brackets that are too many.")
            return False
        if not self.mistakes and self.root is not None and not isinstance(self.root, yaml.MappingNode):
            self.add(1, (), "is not a map of settings", "Begin with `district: …`.")
        return not self.mistakes

    def check_types(self) -> None:
        """Unknown, retired and repeated keys, and values of a wrong type."""
        if not self.is_readable or self.root is None:
            return
        for path, retired in find_retired(self.data):
            what = f"{dotted(path)}: {retired.value}" if retired.value else dotted(path)
            problem = f"'{what}' is retired and is now {retired.now}"
            self.add(self.locate(path)[1], path, problem, "Use the new name.")
        self._check(self.root, inspect.type_info(District), ())

    def locate(self, path: KeyPath) -> tuple[int, int]:
        """How many keys of a path exist, and the line, from 1, of the deepest one."""
        node, line, depth = self.root, 0, 0
        for key in path:
            found = _child(node, key)
            if found is None:
                break
            line, node = found
            depth += 1
        return depth, line + 1

    def _check(self, node: yaml.Node, kind: inspect.Type, path: KeyPath) -> None:
        kinds = _alternatives(kind)
        if any(isinstance(each, inspect.AnyType) for each in kinds):
            return
        if isinstance(node, yaml.MappingNode):
            for each in kinds:
                if isinstance(each, inspect.StructType):
                    return self._check_section(node, each, path)
                if isinstance(each, inspect.DictType):
                    return self._check_map(node, each, path)
        if isinstance(node, yaml.SequenceNode):
            for each in kinds:
                if isinstance(each, inspect.ListType):
                    for number, item in enumerate(node.value):
                        self._check(item, each.item_type, (*path, number))
                    return None
        if isinstance(node, yaml.ScalarNode):
            found = [_scalar_problem(node, each, path) for each in kinds]
            if None in found:
                return None
            problem, remedy = next((each for each in found if each), ("", ""))
            return self.add(node.start_mark.line + 1, path, f"{dotted(path)} {problem}", remedy)
        expected = " or ".join(dict.fromkeys(_expected(each) for each in kinds if _expected(each)))
        shown = "a map" if isinstance(node, yaml.MappingNode) else "a list"
        return self.add(node.start_mark.line + 1, path, f"{dotted(path)} must be {expected}, not {shown}")

    def _check_section(self, node: yaml.MappingNode, kind: inspect.StructType, path: KeyPath) -> None:
        fields = {field.encode_name: field.type for field in kind.fields}
        for key, value in self._entries(node, path):
            if (*path, key.value) in self.wrong:  # retired
                continue
            if key.value in fields:
                self._check(value, fields[key.value], (*path, key.value))
                continue
            if key.value == "<<":
                remedy = "Write the values out. What all districts share belongs in _defaults.yaml."
                self.add(key.start_mark.line + 1, (*path, "<<"), "'<<' is a merge key, which is not supported", remedy)
                continue
            where = f" in {dotted(path)}" if dotted(path) else ""
            near = nearest_of(key.value, fields)
            self.guesses.add((*path, near))
            remedy = "" if near else f"Valid keys{where}: {', '.join(fields)}."
            problem = f"unknown key '{key.value}'{where}{nearest(key.value, fields)}"
            self.add(key.start_mark.line + 1, (*path, key.value), problem, remedy)

    def _check_map(self, node: yaml.MappingNode, kind: inspect.DictType, path: KeyPath) -> None:
        for key, value in self._entries(node, path):
            found = _scalar_problem(key, kind.key_type, path)
            if found is not None:
                problem = f"a key of {dotted(path)} {found[0]}"
                self.add(key.start_mark.line + 1, (*path, key.value), problem, found[1])
            elif (*path, key.value) not in self.wrong:
                self._check(value, kind.value_type, (*path, key.value))

    def _entries(self, node: yaml.MappingNode, path: KeyPath) -> Iterator[tuple[yaml.ScalarNode, yaml.Node]]:
        """The entries of a map whose keys are texts, each key once."""
        first: dict[str, int] = {}
        for key, value in node.value:
            line = key.start_mark.line + 1
            if not isinstance(key, yaml.ScalarNode):
                self.add(line, path, "a key must be a text", "Text in braces or brackets needs quotes.")
            elif key.value in first:
                full = dotted((*path, key.value))
                problem = f"'{full}' is given twice, first in line {first[key.value]}"
                self.add(line, (*path, key.value), problem, "Keep one of them.")
            else:
                first[key.value] = line
                yield key, value


def _child(node: yaml.Node | None, key: str | int) -> tuple[int, yaml.Node] | None:
    if isinstance(node, yaml.MappingNode):
        for key_node, value_node in node.value:
            if key_node.value == str(key):
                return key_node.start_mark.line, value_node
    if isinstance(node, yaml.SequenceNode) and isinstance(key, int) and key < len(node.value):
        return node.value[key].start_mark.line, node.value[key]
    return None


class _Values:
    """The merged settings: missing keys and wrong values. What is of a wrong type already is left out."""

    def __init__(self, documents: list[_Document]) -> None:
        self._documents = documents
        self._wrong = set().union(*(document.wrong for document in documents))
        self._guesses = set().union(*(document.guesses for document in documents))

    def check(self, stem: str) -> None:
        data: Any = {}
        for document in reversed(self._documents):
            data = merged(data, document.data if isinstance(document.data, dict) else {})
        self._build(inspect.type_info(District), data, ())
        given = data.get("district")
        own = self._documents[0]
        if isinstance(given, str) and given != stem and all(each.key != "district" for each in own.mistakes):
            name = own.path.name
            self._add(("district",), f"district is '{given}', but the file is {name}", "Make them equal.")

    def _add(self, path: KeyPath, problem: str, remedy: str) -> None:
        """Add a mistake to the file that has most of its path: of two, the district's."""
        document = max(self._documents, key=lambda each: each.locate(path)[0])
        document.add(document.locate(path)[1], path, problem, remedy)

    def _build(self, kind: inspect.Type, value: object, path: KeyPath) -> Any:
        """The value as the settings hold it, without its own checks; `_WRONG` if it has none."""
        if path in self._wrong:
            return _WRONG
        for each in _alternatives(kind):
            if isinstance(each, inspect.StructType) and isinstance(value, dict):
                return self._build_section(each, value, path)
            if isinstance(each, inspect.DictType) and isinstance(value, dict):
                built = {str(key): self._build(each.value_type, item, (*path, str(key))) for key, item in value.items()}
                return {key: item for key, item in built.items() if item is not _WRONG}
            if isinstance(each, inspect.ListType) and isinstance(value, list):
                items = [self._build(each.item_type, item, (*path, number)) for number, item in enumerate(value)]
                return [item for item in items if item is not _WRONG]
            if isinstance(each, inspect.DateType) and isinstance(value, str):
                return date.fromisoformat(value)
        return str(value) if isinstance(value, float) else value

    def _build_section(self, kind: inspect.StructType, data: Mapping[str, Any], path: KeyPath) -> Any:
        values: dict[str, Any] = {}
        left_out: set[str | int] = set()
        for field in kind.fields:
            at = (*path, field.encode_name)
            if field.encode_name in data:
                built = self._build(field.type, data[field.encode_name], at)
                if built is _WRONG:
                    left_out.add(field.encode_name)
                else:
                    values[field.name] = built
            elif field.required:
                left_out.add(field.encode_name)
                if at not in self._guesses:
                    example = _EXAMPLES.get(dotted(at), f"{field.encode_name}: …")
                    self._add(path, f"missing key '{dotted(at)}'", f"Add `{example}`.")
        if any(field.required and field.encode_name in left_out for field in kind.fields):
            return _WRONG
        section: Settings = _unchecked(kind.cls)(**values)
        for problem in section.problems():
            at = (*path, *problem.path)
            if left_out & {*problem.path[:1], *problem.reads} or self._has_wrong(at, problem.reads, path):
                continue
            subject = dotted(at) or "the file"
            self._add(at, f"{subject} {problem.text}", problem.remedy)
        return section

    def _has_wrong(self, at: KeyPath, reads: tuple[str, ...], path: KeyPath) -> bool:
        """Whether a check depends on a value that is wrong already, at any depth below."""
        needed = [at, *((*path, key) for key in reads)] if len(at) > len(path) or reads else []
        return any(wrong[: len(key)] == key for key in needed for wrong in self._wrong)


_WRONG = object()

_KINDS = {
    "bool": "true or false",
    "int": "a number",
    "float": "a decimal number",
    "timestamp": "a date",
    "binary": "binary data",
}

_DAYS = [name.lower() for name in calendar.day_name]

#: A line to add for each key that a file must have.
_EXAMPLES = {
    "district": "district: maple",
    "name": "name: Maple Unified School District",
    "version": 'version: "1.2"',
    "usernames": "usernames: email",
}


@cache
def _unchecked(cls: type[Settings]) -> type[Settings]:
    """A section's class that can be made of wrong values, to ask it for all its problems."""
    own = {"__post_init__": lambda self: self.normalize()}
    made: type[Settings] = msgspec.defstruct(  # type: ignore[assignment]
        cls.__name__, [], bases=(cls,), namespace=own, frozen=True, kw_only=True
    )
    return made


def merged(under: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """Maps merge; everything else replaces."""
    result = dict(under)
    for key, value in over.items():
        both_maps = isinstance(value, dict) and isinstance(under.get(key), dict)
        result[key] = merged(under[key], value) if both_maps else value
    return result


def _alternatives(kind: inspect.Type) -> tuple[inspect.Type, ...]:
    if isinstance(kind, inspect.Metadata):
        return _alternatives(kind.type)
    return kind.types if isinstance(kind, inspect.UnionType) else (kind,)


def _expected(kind: inspect.Type) -> str:
    if isinstance(kind, inspect.StructType | inspect.DictType):
        return "a map such as {key: value}"
    if isinstance(kind, inspect.ListType):
        return "a list such as [a, b]"
    if isinstance(kind, inspect.LiteralType):
        return f"one of {', '.join(map(str, kind.values))}"
    names = {
        inspect.StrType: "a text",
        inspect.IntType: "a whole number",
        inspect.BoolType: "true or false",
        inspect.DateType: "a date such as 2026-11-21",
    }
    return names.get(type(kind), "")


def _scalar_problem(node: yaml.ScalarNode, kind: inspect.Type, path: KeyPath) -> tuple[str, str] | None:
    """What is wrong with a scalar of this type, and what to do; None if nothing is."""
    written, tag, is_plain = node.value, node.tag.rpartition(":")[2], node.style is None
    if isinstance(kind, inspect.NoneType):
        return None if tag == "null" else ("", "")
    if tag == "null":
        return "has no value", "Give it one, or delete the line."
    if isinstance(kind, inspect.StrType):
        return None if tag == "str" else _not_a_text(written, tag, path)
    if isinstance(kind, inspect.LiteralType):
        values = sorted(map(str, kind.values), key=lambda value: _DAYS.index(value) if value in _DAYS else 0)
        if written in values and (tag == "str" or path == ("version",)):
            return None
        return f"must be {_listed(values)}{_instead(written, path)}{nearest(written, values)}", ""
    if isinstance(kind, inspect.BoolType) and tag == "bool":
        return None
    if isinstance(kind, inspect.DateType):
        return _date_problem(written, path)
    if isinstance(kind, inspect.IntType):
        if tag == "int":
            surprise = yaml_text.explain_integer(written)
            return (f"is not a plain whole number: {surprise}", "Write plain digits.") if surprise else None
        if not is_plain and written.isdigit():
            return "must be a whole number without quotes", f"Write {written}."
    return f"must be {_expected(kind)}{_instead(written, path)}", ""


def _not_a_text(written: str, tag: str, path: KeyPath) -> tuple[str, str]:
    """A value that YAML does not read as a text."""
    if path[:1] == ("guards",) and written.isdigit():
        return f"must be a share such as 10%, not '{written}'", f"Write {int(written)}%."
    if path[:1] == ("people",):  # the value may be a person's username (rule 8)
        return f"must be a text: YAML reads the value as {_KINDS.get(tag, 'something else')}", "Write it in quotes."
    if tag == "bool":
        is_true = written.lower() in ("y", "yes", "on", "true")
        reading = f"YAML reads {written} as {'true' if is_true else 'false'}"
    elif tag == "int":
        reading = yaml_text.explain_integer(written) or f"YAML reads {written} as a number"
    else:
        reading = f"YAML reads {written} as {_KINDS.get(tag, 'something else')}"
    return f"must be a text: {reading}", f'Write "{written}" in quotes.'


def _date_problem(written: str, path: KeyPath) -> tuple[str, str] | None:
    try:
        date.fromisoformat(written)
    except ValueError:
        pass
    else:
        if re.fullmatch(r"\d{4}-\d\d-\d\d", written):
            return None
    for form in ("%Y-%m-%d", "%m/%d/%Y", "%m/%d/%y", "%B %d, %Y", "%b %d, %Y", "%m-%d-%Y", "%Y/%m/%d", "%Y%m%d"):
        try:
            meant = datetime.strptime(written, form).date()
        except ValueError:
            continue
        hint = "" if path[:1] == ("people",) else f" (did you mean {meant}?)"
        return f"must be a date such as 2026-11-21{_instead(written, path)}{hint}", ""
    if re.fullmatch(r"\d{4}-\d\d?-\d\d?", written):
        return f"is not a date in the calendar: {written}", "Write a date such as 2026-11-21."
    if re.match(r"\d{4}-\d\d?-\d\d?[Tt ]", written):
        return "must be a date without a time", f"Write {written[:10]}."
    return f"must be a date such as 2026-11-21{_instead(written, path)}", ""


def _listed(values: list[str]) -> str:
    return f"{', '.join(values[:-1])} or {values[-1]}" if len(values) > 1 else values[0]


def _instead(written: str, path: KeyPath) -> str:
    """`, not 'x'`. A decision about a person may hold a person's name, so it is not repeated (rule 8)."""
    return "" if path[:1] == ("people",) else f", not '{written}'"
