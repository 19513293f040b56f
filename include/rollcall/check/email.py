"""The email to the district: plain text with numbered steps, in the words on its screen.

It has no greeting and no signature; the sender adds them. It contains no secret and no person. The only credential in
it is the Client ID, and only when it is certainly not a secret.
"""

from __future__ import annotations

import textwrap

from rollcall.check.steps import OTHER_COPY, CheckReport, Diagnosis, Step, step_title
from rollcall.display.dates import format_date
from rollcall.display.printable import printable

_WIDTH = 78

_NEW_LOOK = "Instruction > Settings > Digital Learning Applications Configuration"
_CLASSIC = "System Administration > Learning Interoperability > OneRoster Provisioning"
_SELF_CHECK = (
    "You can see what the connection returns at Edit connection > Troubleshooting Documentation > OneRoster API "
    "Documentation. Use GET only: the other buttons change real data."
)


def email_text(checked: CheckReport) -> str:
    """The email for a check that failed, passed with warnings, or passed."""
    diagnoses = _district_actions(checked)
    if not checked.passed:
        parts = [
            _title(checked, "not working yet"),
            _findings(checked, checked.failed),
            *_instructions(checked, diagnoses),
        ]
    elif diagnoses:
        warned = [step for step in checked.steps if step.outcome == "warning" and step.name != OTHER_COPY]
        title = _title(checked, "working, with warnings")
        parts = [title, _findings(checked, warned), *_instructions(checked, diagnoses), _shared_data(checked)]
    else:
        parts = [_title(checked, "working"), _shared_data(checked), "No action needed."]
    return "\n\n".join(part for part in parts if part) + "\n"


def _district_actions(checked: CheckReport) -> list[Diagnosis]:
    """The failures the district can fix; if there are none, the warnings."""
    steps = checked.failed or [step for step in checked.steps if step.outcome == "warning"]
    return [diagnosis for step in steps for diagnosis in step.diagnoses if diagnosis.actions("")]


def _title(checked: CheckReport, state: str) -> str:
    return _wrapped(f"OneRoster connection of {checked.name}: {state}")


def _findings(checked: CheckReport, steps: list[Step]) -> str:
    lines = [_wrapped(f"{step_title(step.name)}: {step.message}", "- ", "  ") for step in steps]
    return "\n".join([f"What we found on {format_date(checked.checked_at)}:", *lines])


def _instructions(checked: CheckReport, diagnoses: list[Diagnosis]) -> list[str]:
    if not diagnoses:
        return _no_instructions(checked)
    connection = _connection(checked)
    actions = dict.fromkeys(action for diagnosis in diagnoses for action in diagnosis.actions(connection))
    numbered = [_wrapped(action, f"{number}. ", "   ") for number, action in enumerate(actions, 1)]
    replies = dict.fromkeys(diagnosis.reply_request for diagnosis in diagnoses)
    return [
        "\n".join([_wrapped(f"What to do {_where(checked)}:"), *numbered]),
        "\n".join(_wrapped(reply) for reply in replies),
    ]


def _no_instructions(checked: CheckReport) -> list[str]:
    """No step on the district's screen is known to help."""
    if any(step.diagnoses for step in checked.failed):
        return ["No action needed on your side. We will fix this."]
    return [
        _wrapped(f"Please check {_connection(checked)} {_where(checked)}. {_SELF_CHECK}"),
        _wrapped("Please reply with what you see there, or with the right person to ask."),
    ]


def _shared_data(checked: CheckReport) -> str:
    counted = [
        f"{name.replace('_', ' ')}{f' ({rows:,})' if rows is not None else ''}" for name, rows in checked.rows.items()
    ]
    lines = [_wrapped(f"Data we can read: {', '.join(counted)}.")]
    if checked.schools:
        lines.append("Schools:")
        lines += [
            f"- {printable(school.name)}{_people(school.students, school.teachers)}" for school in checked.schools
        ]
        lines.append(
            _wrapped("If a school is missing or should not be here, change the school scope of the connection.")
        )
    return "\n".join(lines)


def _people(students: int | None, teachers: int | None) -> str:
    return "" if students is None or teachers is None else f": {students:,} students, {teachers:,} teachers"


def _where(checked: CheckReport) -> str:
    if not checked.is_campus:
        return "on the page of our OneRoster connection in your student information system"
    return f"in Infinite Campus at {_CLASSIC if checked.is_classic else _NEW_LOOK}"


def _connection(checked: CheckReport) -> str:
    """How the district finds our connection in its list."""
    if not checked.client_id:
        return "our connection"
    return f"the connection with the {'Consumer Key' if checked.is_classic else 'Client ID'} {checked.client_id}"


def _wrapped(text: str, first: str = "", others: str = "") -> str:
    return textwrap.fill(
        text, _WIDTH, initial_indent=first, subsequent_indent=others, break_long_words=False, break_on_hyphens=False
    )
