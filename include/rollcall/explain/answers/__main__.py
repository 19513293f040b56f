"""docs/answers.md: `python -m rollcall.explain.answers > docs/answers.md`."""

from __future__ import annotations

import sys

from rollcall.explain.answers import GROUPS, AnswerTemplate
from rollcall.explain.answers.template import NO_ACTION

_HEAD = """# The answers of `rollcall explain`

`rollcall explain DISTRICT WHO` always ends with one of these answers. Words in braces are filled in. `--forward` prints
only the reply, ready to send. A reply contains no ID and no name except the person's own.

This page is generated from `include/rollcall/explain/answers/`. A test compares the two.
"""


def as_markdown() -> str:
    """The whole page."""
    parts = [_HEAD]
    for title, group in GROUPS.items():
        parts.append(f"## {title}\n")
        parts += [_section(code, answer) for code, answer in group.items()]
    return "\n".join(parts)


def _section(code: str, answer: AnswerTemplate) -> str:
    lines = [f"### `{code}`\n", answer.text, ""]
    lines += [f"{number}. {cause}" for number, cause in enumerate(answer.causes, 1)]
    lines += [""] if answer.causes else []
    lines.append(f"- {NO_ACTION}" if answer.owner == NO_ACTION else f"- **Who can fix it**: {answer.owner}")
    places = {"Infinite Campus": answer.infinite_campus, "Other SIS": answer.other_sis, "Rollcall": answer.rollcall}
    lines += [f"- **{place}**: {text}" for place, text in places.items() if text]
    lines.append(f"- **Reply**: {answer.reply}")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.stdout.write(as_markdown())
