"""Reading the YAML of a district's file: strictly where YAML surprises people, and with its errors in words.

YAML 1.1, which PyYAML reads, takes `no` for false, `010` for eight, and `12:30` for 750. A repeated key replaces the
first one silently. None of that may decide a roster, so `load_strictly` reports such a text as suspicious, and
`rollcall.settings.mistakes` explains it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import yaml

_Loader: type = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

#: Where an anchor, an alias or a merge key can begin. Most files have none and need no second look.
_MAYBE_ANCHOR = re.compile(r"(?m)(?:^|[\s,\[{:-])(?:[&*]\w|<<\s*:)")

_PLAIN_INTEGER = re.compile(r"[-+]?(0|[1-9]\d*)")


def load(text: str) -> object:
    """The content of a YAML text; the C loader reads a thousand district files in 0.3 s.

    :raises yaml.YAMLError: for what is not YAML.
    """
    return yaml.load(text, Loader=_Loader)  # noqa: S506 - a safe loader in C


def load_strictly(text: str) -> tuple[object, bool]:
    """The content, and whether the text has something that YAML may read in another way than people do.

    :raises yaml.YAMLError: for what is not YAML.
    """
    loader = _StrictLoader(text)
    try:
        data = loader.get_single_data()
    finally:
        loader.dispose()
    return data, loader.is_suspicious or _MAYBE_ANCHOR.search(text) is not None


class _StrictLoader(_Loader):
    """Notes repeated keys, numbers that are not plain decimals, and dates that do not exist."""

    is_suspicious = False

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        mapping: dict[Any, Any] = super().construct_mapping(node, deep)
        self.is_suspicious |= len(mapping) != len(node.value)
        return mapping

    def integer(self, node: yaml.ScalarNode) -> object:
        self.is_suspicious |= not _PLAIN_INTEGER.fullmatch(node.value)
        try:
            return self.construct_yaml_int(node)
        except ValueError:  # more digits than Python converts
            return node.value

    def timestamp(self, node: yaml.ScalarNode) -> object:
        try:
            return self.construct_yaml_timestamp(node)
        except ValueError:
            self.is_suspicious = True
            return node.value


_StrictLoader.add_constructor("tag:yaml.org,2002:int", _StrictLoader.integer)
_StrictLoader.add_constructor("tag:yaml.org,2002:timestamp", _StrictLoader.timestamp)


def nodes(text: str) -> yaml.Node | None:
    """The tree of nodes, which know their lines.

    :raises yaml.YAMLError: for what is not YAML.
    """
    return yaml.compose(text, Loader=_Loader)


def anchors(text: str) -> Iterator[tuple[int, str]]:
    """The lines, from 1, of anchors (`&name`), aliases (`*name`), and merge keys (`<<`), as written."""
    if _MAYBE_ANCHOR.search(text) is None:
        return
    for event in yaml.parse(text, Loader=_Loader):
        anchor = getattr(event, "anchor", None)
        if anchor is not None and event.start_mark is not None:
            sign = "*" if isinstance(event, yaml.AliasEvent) else "&"
            yield event.start_mark.line + 1, f"{sign}{anchor}"


def explain_integer(written: str) -> str:
    """What YAML makes of a number that is not a plain decimal; empty if it is one."""
    if _PLAIN_INTEGER.fullmatch(written):
        return ""
    number: int = yaml.load(written, Loader=_Loader)  # noqa: S506 - a safe loader in C
    return f"YAML reads {written} as {number}"


def explain_error(error: yaml.YAMLError, text: str) -> tuple[int, str, str]:
    """The line, from 1, of an error in the YAML, what is wrong with it, and what to do."""
    if isinstance(error, yaml.reader.ReaderError):
        position = error.position if isinstance(error.position, int) else 0
        line = text.encode()[:position].count(b"\n") + 1
        return line, "has a character that YAML does not allow", "Delete it; it may be invisible."
    mark, context = getattr(error, "problem_mark", None), getattr(error, "context_mark", None)
    problem, where = str(getattr(error, "problem", "") or ""), str(getattr(error, "context", "") or "")
    line = mark.line + 1 if mark else 1
    lines = text.splitlines()
    written = lines[line - 1] if line <= len(lines) else ""
    if "\t" in written[: len(written) - len(written.lstrip())]:
        return line, "is indented with a tab", "Indent with spaces."
    at = written[mark.column : mark.column + 1] if mark else ""
    if "cannot start any token" in problem and at:
        return line, f"has a text that begins with {at}", f"Put the text in quotes: '{at}…'."
    opened = context.line + 1 if context else line
    for words, what, remedy in _ERRORS:
        if words in problem and (what or remedy):
            return _line_to_change(words, line, opened), what.format(opened=opened, where=where), remedy
    return line, f"is not valid YAML: {problem or 'it cannot be read'}", ""


def _line_to_change(words: str, line: int, opened: int) -> int:
    return opened if words in _CHANGE_WHERE_IT_OPENS else line


#: Errors whose mark is behind the line to change.
_CHANGE_WHERE_IT_OPENS = ("could not find expected ':'", "unexpected end of stream")

#: Part of the parser's message, what is wrong in words, and what to do.
_ERRORS = (
    (
        "mapping values are not allowed",
        "has a second colon, or more indentation than the line above",
        "Put a text with a colon and a space in quotes, or align the line with its neighbors.",
    ),
    ("could not find expected ':'", "has a text without a colon", "Write it as key: value."),
    (
        "did not find expected key",
        "does not continue the map that begins in line {opened}",
        "Align the line with its neighbors, and write it as key: value. Text after a closing quote is not allowed.",
    ),
    (
        "did not find expected ',' or",
        "does not continue what a bracket in line {opened} opens",
        "Close the bracket, or put a comma between two entries.",
    ),
    (
        "did not find expected node content",
        "has nothing where a value is expected",
        "Close the bracket, or delete the comma before it.",
    ),
    ("did not find expected '-'", "does not continue the list that begins in line {opened}", "Begin it with a dash."),
    ("block sequence entries are not allowed", "has a list where none is possible", "Begin the list on its own line."),
    ("unexpected end of stream", "has a quote that is never closed", "Close the quote."),
    ("unexpected document indicator", "has a quote that is never closed", "Close the quote."),
    (
        "unknown escape character",
        "has a backslash in double quotes that YAML does not know",
        "Use single quotes, or double the backslash.",
    ),
    ("undefined alias", "begins a text with *", "Put the text in quotes."),
    ("duplicate anchor", "uses an anchor twice", "Write the value out in each place."),
    ("but found another document", "begins a second document", "Keep one district in a file, and delete the line ---."),
    ("could not determine a constructor", "has a text that begins with !", "Put the text in quotes."),
    ("tab character", "has a tab where YAML allows only spaces", "Replace the tab with spaces."),
    ("unhashable key", "has a list or a map as a key", "A key must be a text. Text in braces needs quotes."),
)
