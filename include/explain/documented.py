"""The answers as docs/answers.md has them: `python -m include.explain.documented > docs/answers.md`."""

from __future__ import annotations

import sys

from include.explain.answers import GROUPS, Answer

_HEAD = """# The answers of `rollcall explain`

`rollcall explain DISTRICT WHO` ends with one of these answers, and with no other. Words in braces are filled in.
`--forward` prints the reply alone, ready to send: without ids, and without the name of anybody but the person.

This page is made from `include/explain/answers.py`; a test compares the two.
"""


def as_markdown() -> str:
    """The whole page."""
    parts = [_HEAD]
    for title, group in GROUPS.items():
        parts.append(f"## {title}\n")
        parts += [_section(code, answer) for code, answer in group.items()]
    return "\n".join(parts)


def _section(code: str, answer: Answer) -> str:
    lines = [f"### `{code}`\n", answer.said, ""]
    lines += [f"{number}. {cause}" for number, cause in enumerate(answer.causes, 1)]
    lines += [""] if answer.causes else []
    lines.append(f"- **Who can fix it**: {answer.who}")
    where = {"In Infinite Campus": answer.campus, "In another system": answer.elsewhere, "Here": answer.ours}
    lines += [f"- **{place}**: {text}" for place, text in where.items() if text]
    lines.append(f"- **Reply**: {answer.reply}")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.stdout.write(as_markdown())
