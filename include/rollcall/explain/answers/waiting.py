"""Answers about a person in the roster whose changes are rejected, held, or not received."""

from __future__ import annotations

from rollcall.explain.answers.template import (
    DEMOGRAPHICS,
    DETAILS,
    ENROLLMENTS,
    ENROLLMENTS_ELSEWHERE,
    NEXT_UPDATE,
    OPERATOR,
    REVIEWER,
    SCHOOL,
    AnswerTemplate,
)

_REVIEW = "We are reviewing this. Nothing is lost in the meantime."
_FIELD_SCREEN = "the screen of the person's record that has this field"
_LOWER_RULE = "rules: in {file} can lower the severity of a rule, with a reason"
_SHOW_HOLD = "rollcall holds show {district} {hold}"

WAITING = {
    "rejected": AnswerTemplate(
        "The SIS record of {name} was rejected on the night of {date}: {reason} (rule {rule}; {field}). The last valid "
        "version stays in use.",
        SCHOOL,
        "The data your school system sends for {name} has an error in {field}, so we still use the previous data. "
        f"Please correct it in your school system. {NEXT_UPDATE}",
        _FIELD_SCREEN,
        DETAILS,
        _LOWER_RULE,
    ),
    "rejected_new": AnswerTemplate(
        "The SIS record of {name} was received but rejected on the night of {date}: {reason} (rule {rule}; {field}). "
        "{name} is not published.",
        SCHOOL,
        "The data your school system sends for {name} has an error in {field}, so we cannot use it. Please correct it "
        f"in your school system. {NEXT_UPDATE}",
        _FIELD_SCREEN,
        DETAILS,
        _LOWER_RULE,
    ),
    "held_removals": AnswerTemplate(
        "The removal of {name} has been waiting for a decision since {date} (hold {hold}). Until then, {name} stays as "
        "published.",
        REVIEWER,
        f"Your school system no longer sends {{name}} and many other people. {_REVIEW}",
        ENROLLMENTS,
        ENROLLMENTS_ELSEWHERE,
        _SHOW_HOLD,
    ),
    "held_updates": AnswerTemplate(
        "A change to {name} has been waiting for a decision since {date}, because an unusually large number of records "
        "changed at once (hold {hold}). Until then, {name} stays as published.",
        REVIEWER,
        f"A change to {{name}} arrived with an unusually large number of other changes. {_REVIEW}",
        rollcall=_SHOW_HOLD,
    ),
    "held_usernames": AnswerTemplate(
        "A new username for {name} has been waiting for a decision since {date} (hold {hold}). Until then, the current "
        "username stays in use.",
        REVIEWER,
        "The username of {name} would change. Until we confirm the change, the current username stays in use.",
        rollcall=_SHOW_HOLD,
    ),
    "held_identities": AnswerTemplate(
        "The record received for {name} looks like a different person, or like a known person with a new ID. It has "
        "been waiting for a decision since {date} (hold {hold}). The published data stays in use.",
        REVIEWER,
        "The record your school system sends for {name} looks like a different person, or like the same person entered "
        f"again. {_REVIEW}",
        DEMOGRAPHICS,
        DETAILS,
        _SHOW_HOLD,
    ),
    "missing": AnswerTemplate(
        "{name} was not in the full pull of {date}, and the SIS sent no removal. {name} stays as published. A second "
        "full pull without {name} removes the person.",
        SCHOOL,
        "Your school system has not sent {name} since {date}. If {name} is still at the school, please check that the "
        "enrollment (for staff, the assignment) is in the current school year and is not marked No Show. "
        f"{NEXT_UPDATE}",
        ENROLLMENTS,
        ENROLLMENTS_ELSEWHERE,
    ),
    "no_result": AnswerTemplate(
        "{name} is in the roster, but the latest publication recorded neither an account nor a reason for leaving "
        "{name} out.",
        OPERATOR,
        "We received {name}, but the account is not ready yet. We are looking into it.",
        rollcall="rollcall sync {district}",
    ),
}
