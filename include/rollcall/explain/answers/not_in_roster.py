"""Answers about people who left the roster or never arrived, and about schools."""

from __future__ import annotations

from rollcall.explain.answers.template import (
    ACCOUNT_RETURNS,
    CONNECTION,
    CONNECTION_ELSEWHERE,
    DISTRICT,
    ENROLLMENTS,
    ENROLLMENTS_ELSEWHERE,
    NEXT_UPDATE,
    NO_ACTION,
    OPERATOR,
    REVIEWER,
    SCHOOL,
    SCHOOL_SCOPE,
    SCHOOL_SCOPE_ELSEWHERE,
    SETTINGS,
    AnswerTemplate,
)

REMOVED = {
    "merged_into": AnswerTemplate(
        "This record of {name} left the roster on {date} ({reason}). The record {other} is still live and has {basis}, "
        "so the two were probably merged. {other_state}",
        NO_ACTION,
        "{name} had two records in your school system. One was removed on {date}. {name} continues with the other one.",
        "Combine Person keeps one of two records; the old ID does not return",
        "the tool that merges two records of one person",
    ),
    "removed_by_provider": AnswerTemplate(
        "{name} was removed on {date}: the SIS marked the record for deletion.",
        SCHOOL,
        "On {date}, your school system marked {name} for removal. If this was a mistake, please enter {name} again. "
        f"{ACCOUNT_RETURNS}",
        ENROLLMENTS,
        ENROLLMENTS_ELSEWHERE,
    ),
    "removed_after_absence": AnswerTemplate(
        "{name} was removed on {date}: two complete full pulls did not include this person.",
        SCHOOL,
        "Your school system stopped sending {name}, and we removed the account on {date}. If {name} is still at the "
        "school, please check that the enrollment (for staff, the assignment) is in the current school year and is not "
        f"marked No Show, and that {{name}} has a user account. {ACCOUNT_RETURNS}",
        ENROLLMENTS + "; then the person's User Account",
        ENROLLMENTS_ELSEWHERE + "; then the person's user account",
    ),
    "removed": AnswerTemplate(
        "{name} was removed on {date}: {reason}.",
        SCHOOL,
        "{name} left the data your school system shares, and we removed the account on {date}. If {name} is still at "
        f"the school, please check the record. {ACCOUNT_RETURNS}",
        ENROLLMENTS,
        ENROLLMENTS_ELSEWHERE,
    ),
}

NEVER_RECEIVED = {
    "enrolled_without_person": AnswerTemplate(
        "Received {count} for {who}, but no person with this ID. The person probably has no user account in the SIS or "
        "is outside the schools selected for the connection.",
        SCHOOL,
        "Your school system sends classes for this person, but not the person. Please check that the person has a user "
        "account there. If so, your district's administrator can check which schools are shared with us. "
        f"{NEXT_UPDATE}",
        "the person's User Account; then " + SCHOOL_SCOPE,
        "the person's user account; then " + SCHOOL_SCOPE_ELSEWHERE,
    ),
    "people_incomplete": AnswerTemplate(
        "Received {count} for {who}, but no person with this ID. The last pull received {received} of {expected} "
        "people. This person may be among the missing ones.",
        OPERATOR,
        "Our last update from your school system was incomplete, and this person may be among the missing ones. We are "
        "looking into it. Our next update: {next_pull}.",
        rollcall="rollcall check {district}, then rollcall sync {district} --full",
    ),
    "first_publication_held": AnswerTemplate(
        "The roster of {district_name} has been waiting for a decision since {date}, because nothing proves that it is "
        "complete (hold {hold}). {who} may be in it, or in the part that was not received.",
        REVIEWER,
        "The first data from your district is not complete yet. We wait until it is. Our next update: {next_pull}.",
        rollcall="rollcall holds show {district} {hold}",
    ),
    "new_record_held": AnswerTemplate(
        "A record with this ID was received for the first time. It has been waiting for a decision since {date}, "
        "because many known people seem to return with new IDs (hold {hold}).",
        REVIEWER,
        "Your school system sent this person with a new number, along with other people. We are reviewing this.",
        rollcall="rollcall holds show {district} {hold}",
    ),
    "never_synced": AnswerTemplate(
        "No roster of {district_name} has been published yet.",
        OPERATOR,
        "We have not received data from your district yet. We are setting it up.",
        rollcall="rollcall check {district}, then rollcall sync {district}",
    ),
    "district_disabled": AnswerTemplate(
        'No one matches "{who}", and {district_name} is disabled. Published roster: {last_pull}. No newer data will '
        "arrive.",
        SETTINGS,
        "We do not receive data from your district at this time. Our data is from {last_pull}. Please contact your "
        "district's administrator.",
        rollcall="enabled: in {file}",
    ),
    "district_paused": AnswerTemplate(
        'No one matches "{who}", and publishing is paused for {district_name}: {paused}. Published roster: '
        "{last_pull}.",
        OPERATOR,
        "Updates from your district are paused on our side. Our data is from {last_pull}. Updates will continue as "
        "soon as possible.",
        rollcall="rollcall resume {district}",
    ),
    "pull_failed": AnswerTemplate(
        'No one matches "{who}". Published roster: {last_pull}. The pull of {date} failed: {error}',
        OPERATOR,
        "Our last update from your district failed. Our data is from {last_pull}. Changes made after that will arrive "
        "with the next successful update: {next_pull} at the earliest.",
        rollcall="rollcall status; rollcall check {district}",
    ),
    "never_received": AnswerTemplate(
        'We never received anyone matching "{who}" from {district_name}. Likely causes, most likely first:',
        SCHOOL,
        "We have never received {name} from your school system. Please check the following, in this order:",
        ENROLLMENTS + "; then the person's User Account; then " + CONNECTION,
        ENROLLMENTS_ELSEWHERE + "; then the person's user account; then " + CONNECTION_ELSEWHERE,
        "rollcall sync {district}, if a new person is urgent",
        (
            "The person was entered after {last_pull}. No action needed: the person will arrive with the next update: "
            "{next_pull}.",
            "The enrollment (for staff, the assignment) is not in the active school year. Only that year is shared.",
            "The enrollment is marked No Show. These enrollments are not shared.",
            "The person has no user account in the student information system.",
            "The person's school is not among the schools the district shares with us.",
            "The name is spelled differently there. Part of the name is enough for a search.",
        ),
    ),
}

SCHOOLS = {
    "school_name_changed": AnswerTemplate(
        'On {date}, the district renamed the school "{old_school}" to "{school}". It is the same school (same ID, '
        "{people}). {site_kept} No one moved.",
        NO_ACTION,
        'The school "{old_school}" was renamed "{school}" on {date}. Everyone there keeps their account.',
        rollcall="sites: in {file} sets site names; they do not depend on school names",
    ),
    "school_has_site": AnswerTemplate(
        'The school "{school}" belongs to the site {sites}. Received {people} with a role there.',
        NO_ACTION,
        'The school "{school}" takes part. The people your school system sends have accounts at {sites}.',
        rollcall="rollcall sites list {district}",
    ),
    "school_without_site": AnswerTemplate(
        'The school "{school}" creates no accounts: {why}. Received {people} with a role there.',
        SETTINGS,
        'The school "{school}" does not take part in this program, or is not set up yet.',
        rollcall="rollcall sites list {district}",
    ),
    "school_removed": AnswerTemplate(
        'The school "{school}" was removed on {date}: {reason}.',
        DISTRICT,
        'Your district stopped sharing the school "{school}" with us on {date}.',
        SCHOOL_SCOPE,
        SCHOOL_SCOPE_ELSEWHERE,
    ),
}
