"""The samples of the documentation: fenced commands and YAML, and commands in the text."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import click

from rollcall.cli.main import rollcall

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]

_FENCE = re.compile(r"^ *```(?P<language>\w*)\n(?P<body>.*?)^ *```$", re.MULTILINE | re.DOTALL)

#: What ends a command in a line of a shell: a comment, a pipe, a redirection, a closing substitution.
_END = re.compile(r"\s+#.*|\s*[|>].*|\)\".*")


@dataclass(frozen=True)
class Sample:
    """A fenced sample with its place."""

    page: Path
    line: int
    language: str
    body: str

    @property
    def place(self) -> str:
        return f"{self.page.name}:{self.line}"


def samples(language: str) -> Iterator[Sample]:
    """Every fenced sample of a language, page by page; shell samples have none."""
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        for match in _FENCE.finditer(text):
            if match["language"] == language:
                yield Sample(page, text.count("\n", 0, match.start()) + 1, language, match["body"])


def commands(sample: Sample) -> list[str]:
    """The `rollcall` commands of a shell sample, without comments and what a shell does with their output."""
    found = []
    for each in sample.body.splitlines():
        _, starts, command = each.partition("rollcall ")
        if starts and not each.lstrip().startswith(("#", "pip", "source")):
            found.append(_END.sub("", command).strip())
    return found


def verbs(group: str) -> set[str] | None:
    """The verbs of a group; None for a single command; empty if there is no such command."""
    context = click.Context(rollcall)
    command = rollcall.get_command(context, group)
    if command is None:
        return set()
    return set(command.list_commands(context)) if isinstance(command, click.Group) else None
