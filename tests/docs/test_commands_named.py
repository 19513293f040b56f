"""Every command that a message, an email, a comment, or a page names exists."""

from __future__ import annotations

import re
import subprocess

from tests.docs.samples import ROOT, verbs

#: A command as it stands in a text. Names of variables in braces and words in capitals stand for values.
_COMMAND = re.compile(
    r"\brollcall (?P<name>[a-z]+)(?: (?P<verb>[a-z][a-z-]*(?:\\?\|[a-z-]+)*))?(?=[ `\"'.,:;)\]|\n\\]|$)"
)

#: Words after `rollcall` in ordinary sentences and file names.
_NOT_COMMANDS = {
    "settings",
    "and",
    "as",
    "has",
    "in",
    "is",
    "on",
    "or",
    "package",
    "run",
    "runs",
    "user",
    "with",
    "the",
    "to",
    "role",
    "team",
}

#: Places that name commands of older versions on purpose.
_OTHERS = ("CHANGELOG.md", "docs/decisions/", "tests/cli/test_grammar.py", "tests/settings/test_retired_options.py")


def test_every_named_command_exists():
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split()
    wrong, seen = [], 0
    for name in listed:
        if not name.endswith((".py", ".md", ".yaml", ".yml", ".html", ".txt")) or name.startswith(_OTHERS):
            continue
        for match in _COMMAND.finditer((ROOT / name).read_text(encoding="utf-8")):
            if match["name"] in _NOT_COMMANDS:
                continue
            seen += 1
            known = verbs(match["name"])
            named = set(re.split(r"\\?\|", match["verb"])) if match["verb"] else set()
            if known == set() or (known is not None and not named <= known):
                wrong.append((name, match.group()))
    assert wrong == []
    assert seen > 200
