"""What to send to the district: plain text, in its screen's own names, with numbered clicks and without any secret.

It has neither greeting nor signature, which are whoever's sends it; it names no person and quotes no credential but the
Client ID, and that only where it certainly is one.
"""

from __future__ import annotations

import textwrap

from rollcall.check.steps import Checked, Recognised, Step

_WIDTH = 78

_NEW_LOOK = "Instruction > Settings > Digital Learning Applications Configuration"
_CLASSIC = "System Administration > Learning Interoperability > OneRoster Provisioning"
_SEE_FOR_ITSELF = (
    "What the connection returns can be seen at Edit connection > Troubleshooting Documentation > OneRoster API "
    "Documentation; use GET only, for the other buttons there change real data."
)

#: What people call a step.
_STEPS = {
    "connection": "Credentials",
    "dns": "Address",
    "tls": "Certificate",
    "token": "Signing in",
    "base_url": "Base URL",
    "page_size": "Page size",
    "delta_filter": "Changes since yesterday",
    "district": "District",
}


def email_text(checked: Checked) -> str:
    """The email that fits: what is to be done, what is worth a look, or what arrives."""
    recognised = _to_do(checked)
    if not checked.passed:
        parts = [
            _title(checked, "does not work yet"),
            _seen(checked, checked.failed),
            *_what_to_do(checked, recognised),
        ]
    elif recognised:
        warned = [step for step in checked.steps if step.outcome == "warning"]
        title = _title(checked, "works, and something on it needs a look")
        parts = [title, _seen(checked, warned), *_what_to_do(checked, recognised), _arrives(checked)]
    else:
        parts = [_title(checked, "works"), _arrives(checked), "There is nothing to do."]
    return "\n\n".join(part for part in parts if part) + "\n"


def _to_do(checked: Checked) -> list[Recognised]:
    """What the district can do something about: failures where there are any, else warnings."""
    steps = checked.failed or [step for step in checked.steps if step.outcome == "warning"]
    return [recognised for step in steps for recognised in step.recognised if recognised.clicks("")]


def _title(checked: Checked, state: str) -> str:
    return _filled(f"The OneRoster connection of {checked.name} {state}")


def _seen(checked: Checked, steps: list[Step]) -> str:
    lines = [_filled(f"{_name(step)}: {step.said}", "- ", "  ") for step in steps]
    return "\n".join([f"What we saw on {checked.checked_at.day} {checked.checked_at:%B %Y}:", *lines])


def _what_to_do(checked: Checked, recognised: list[Recognised]) -> list[str]:
    if not recognised:
        return _nothing_known(checked)
    connection = _connection(checked)
    clicks = dict.fromkeys(click for mistake in recognised for click in mistake.clicks(connection))
    numbered = [_filled(click, f"{number}. ", "   ") for number, click in enumerate(clicks, 1)]
    answers = dict.fromkeys(mistake.answer for mistake in recognised)
    return [
        "\n".join([_filled(f"What to do, {_where(checked)}:"), *numbered]),
        "\n".join(_filled(answer) for answer in answers),
    ]


def _nothing_known(checked: Checked) -> list[str]:
    """No click would help, or none is known."""
    if any(step.recognised for step in checked.failed):
        return ["There is nothing to do on your side; we put this right on ours."]
    return [
        _filled(f"Would you look at {_connection(checked)}, {_where(checked)}? {_SEE_FOR_ITSELF}"),
        _filled("Please answer with what you see there, or with whom we should ask."),
    ]


def _arrives(checked: Checked) -> str:
    counted = [
        f"{name.replace('_', ' ')}{f' ({rows:,})' if rows is not None else ''}" for name, rows in checked.rows.items()
    ]
    lines = [_filled(f"What arrives: {', '.join(counted)}.")]
    if checked.schools:
        lines.append("Schools:")
        lines += [f"- {school.name}{_people(school.students, school.teachers)}" for school in checked.schools]
        lines.append("If one is missing or too many, the connection's school scope decides.")
    return "\n".join(lines)


def _people(students: int | None, teachers: int | None) -> str:
    return "" if students is None or teachers is None else f": {students:,} students, {teachers:,} teachers"


def _where(checked: Checked) -> str:
    if not checked.is_campus:
        return "on the page of our OneRoster connection in your student information system"
    return f"in Infinite Campus at {_CLASSIC if checked.is_classic else _NEW_LOOK}"


def _connection(checked: Checked) -> str:
    """How the district finds it among others."""
    if not checked.client_id:
        return "our connection"
    return f"the connection with the {'Consumer Key' if checked.is_classic else 'Client ID'} {checked.client_id}"


def _name(step: Step) -> str:
    return _STEPS.get(step.name, step.name.replace("_", " ").capitalize())


def _filled(text: str, first: str = "", others: str = "") -> str:
    return textwrap.fill(
        text, _WIDTH, initial_indent=first, subsequent_indent=others, break_long_words=False, break_on_hyphens=False
    )
