"""Answers about a person with an account."""

from __future__ import annotations

from rollcall.explain.answers.template import (
    DEMOGRAPHICS,
    DETAILS,
    NEXT_UPDATE,
    NO_ACTION,
    SCHEDULE,
    SCHEDULE_ELSEWHERE,
    SCHOOL,
    USERNAME_FIELD,
    AnswerTemplate,
)

_ACCOUNT = '{name} has an account at {sites} with the username "{username}" (from {field})'
_REPLY_ACCOUNT = "{name} has an account at {sites}."

WITH_ACCOUNT = {
    "has_account": AnswerTemplate(
        _ACCOUNT + " and is in {classes}. Changes made in the SIS after {last_pull} will arrive with the next pull: "
        "{next_pull}.",
        NO_ACTION,
        _REPLY_ACCOUNT + " Changes made in your school system after {last_pull} will arrive with our next update: "
        "{next_pull}.",
        rollcall="rollcall sync {district}, if it is urgent",
    ),
    "no_class_yet": AnswerTemplate(
        _ACCOUNT + " and is in no classes. Classes added after {last_pull} will arrive with the next pull: "
        "{next_pull}.",
        SCHOOL,
        _REPLY_ACCOUNT + " As of {last_pull}, your school system listed no classes for {name}. Classes added after "
        "that will arrive with our next update: {next_pull}.",
        SCHEDULE,
        SCHEDULE_ELSEWHERE,
        "rollcall sync {district}, if it is urgent",
    ),
    "several_roles": AnswerTemplate(
        _ACCOUNT + ". {name} is {role} because of this role: {counting}. Other roles do not affect the account: "
        "{not_counting}.",
        NO_ACTION,
        _REPLY_ACCOUNT + " It is for the role at the school. Being a parent or having another role does not change it.",
        rollcall="roles: in {file} maps each role",
    ),
    "school_renamed": AnswerTemplate(
        _ACCOUNT + '. On {date}, the district renamed the school "{old_school}" to "{school}". {site_kept} No one '
        "moved.",
        NO_ACTION,
        'The school "{old_school}" was renamed "{school}" on {date}. {name} stays at the same school and keeps the '
        "account.",
        rollcall="sites: in {file} sets site names; they do not depend on school names",
    ),
    "returned": AnswerTemplate(
        _ACCOUNT + ". {name} left the roster and returned on {date} with the same account.",
        NO_ACTION,
        "{name} was missing from the data your school system shares and returned on {date}. The account is the same as "
        "before.",
    ),
    "merged_from": AnswerTemplate(
        _ACCOUNT + ". Another record of the same person, {other}, left the roster on {date} ({reason}). Both records "
        "have {basis}, so they were probably merged and this record was kept.",
        NO_ACTION,
        "{name} had two records in your school system. One was removed on {date}. The other one has the account.",
    ),
    "space_removed": AnswerTemplate(
        '{name} has an account at {sites} with the username "{username}". The SIS sent "{sent}" in {field}, with an '
        "invisible space or character, which we removed. A system that keeps it will not match.",
        SCHOOL,
        _REPLY_ACCOUNT + " In your school system, {field} contains an invisible space or character, which we removed. "
        "Please delete it there too, so every program has the same value.",
        USERNAME_FIELD,
        DETAILS,
    ),
    "possible_duplicate": AnswerTemplate(
        _ACCOUNT + ". The record of {other} has the same {key}. It is treated as a different person because the "
        "records conflict or the {key} is a placeholder ({conflict}).",
        SCHOOL,
        _REPLY_ACCOUNT + " In your school system, another record has the same number or email address. If both records "
        "are one person, please correct the differences or merge the records. If not, please correct the number or "
        "email address.",
        DEMOGRAPHICS,
        DETAILS,
        "person_key: in {file} sets which records are one person",
    ),
    "user_disabled": AnswerTemplate(
        _ACCOUNT + ". The person's user account in the SIS is disabled.",
        SCHOOL,
        _REPLY_ACCOUNT + " The user account in your school system is disabled. If {name} should sign in, please enable "
        f"it there. {NEXT_UPDATE}",
        "the person's User Account, Disabled checkbox",
        "the person's user account",
    ),
}
