"""Answers about a person in the roster without an account, one for each of `LEFT_OUT_REASONS`."""

from __future__ import annotations

from rollcall.explain.answers.template import (
    DETAILS,
    DISTRICT,
    ENROLLMENTS,
    ENROLLMENTS_ELSEWHERE,
    NEXT_UPDATE,
    NO_ACTION,
    SCHEDULE,
    SCHEDULE_ELSEWHERE,
    SCHOOL,
    SCHOOL_SCOPE,
    SCHOOL_SCOPE_ELSEWHERE,
    SETTINGS,
    USERNAME_FIELD,
    AnswerTemplate,
)

_NO_ACCOUNT = "{name} has no account"
_ASK_DISTRICT = "If {name} should have an account, please contact your district's administrator."

LEFT_OUT = {
    "decided": AnswerTemplate(
        _NO_ACCOUNT + " because of a decision about this person: {detail}",
        SETTINGS,
        "We were asked not to create an account for {name}. To change this, please contact us.",
        rollcall="people: {id}: in {file}",
    ),
    "no_role": AnswerTemplate(
        _NO_ACCOUNT + ": the SIS sends no role for this person.",
        SCHOOL,
        "Your school system sends {name} without a role, such as student or teacher. Please check that {name} has an "
        f"enrollment (for staff, an assignment) this school year. {NEXT_UPDATE}",
        ENROLLMENTS,
        ENROLLMENTS_ELSEWHERE,
    ),
    "role_left_out": AnswerTemplate(
        _NO_ACCOUNT + ": the only role is {roles}, and that role gets no account.",
        SETTINGS,
        "Your school system lists {name} as {roles}, and people with this role have no account here. If {name} works "
        f"or studies at a school, please check that this is entered for the current school year. {NEXT_UPDATE}",
        ENROLLMENTS,
        ENROLLMENTS_ELSEWHERE,
        "roles: {detail}: in {file}",
    ),
    "role_undecided": AnswerTemplate(
        _NO_ACCOUNT + ": the role {detail} is not mapped yet.",
        SETTINGS,
        "Your school system lists {name} with a role that is new to us. We will set it up. Your school does not need "
        "to do anything.",
        rollcall="roles: {detail}: in {file} (student, staff or exclude)",
    ),
    "filtered_role": AnswerTemplate(
        _NO_ACCOUNT + ": the role {detail} is not among the roles the district selected.",
        SETTINGS,
        "Your school system lists {name} as {roles}. Your district selected other roles for this program. "
        f"{_ASK_DISTRICT}",
        rollcall="filters: roles: in {file}",
    ),
    "role_ended": AnswerTemplate(
        _NO_ACCOUNT + ": the role at {school} ended. End date in the SIS: {date}.",
        SCHOOL,
        "According to your school system, {name} was at {school} until {date}. If {name} is still there, please "
        f"correct the end date. {NEXT_UPDATE}",
        ENROLLMENTS + ", End Date",
        ENROLLMENTS_ELSEWHERE + ", end date",
    ),
    "role_not_begun": AnswerTemplate(
        _NO_ACCOUNT + " yet: the role at {school} begins on {date}. The account will be created automatically.",
        NO_ACTION,
        "According to your school system, {name} begins at {school} on {date}. The account will be created "
        f"automatically. If {{name}} is already there, please correct the start date. {NEXT_UPDATE}",
        ENROLLMENTS + ", Start Date",
        ENROLLMENTS_ELSEWHERE + ", start date",
        "filters: start_early: in {file} creates accounts some days before",
    ),
    "no_school": AnswerTemplate(
        _NO_ACCOUNT + ": this person has no role at a school that is shared with us.",
        DISTRICT,
        "We received {name} without a school. Please check that {name} is enrolled (for staff, assigned) at a school "
        "this school year. Please ask your district's administrator whether that school is shared with us.",
        SCHOOL_SCOPE + "; then " + ENROLLMENTS,
        SCHOOL_SCOPE_ELSEWHERE + "; then " + ENROLLMENTS_ELSEWHERE,
        "sites: map: in {file}, if an office should be a site too",
    ),
    "school_left_out": AnswerTemplate(
        _NO_ACCOUNT + ": {school} is excluded in the district settings, and {name} is at no other school with a site.",
        SETTINGS,
        "{name} is at {school}, which does not take part in this program. If it should, please contact your district's "
        "administrator.",
        rollcall="sites: map: {detail}: exclude in {file}; rollcall sites list {district}",
    ),
    "school_undecided": AnswerTemplate(
        _NO_ACCOUNT + ": {school} is not mapped to a site yet.",
        SETTINGS,
        "{name} is at {school}, which we have not set up yet. Your school does not need to do anything.",
        rollcall="rollcall sites set {district} {detail} SITE, or sites: map: {detail}: in {file}",
    ),
    "filtered_school": AnswerTemplate(
        _NO_ACCOUNT + ": {school} is not among the schools the district selected.",
        SETTINGS,
        f"{{name}} is at {{school}}. Your district selected other schools for this program. {_ASK_DISTRICT}",
        rollcall="filters: schools: in {file}",
    ),
    "filtered_grade": AnswerTemplate(
        _NO_ACCOUNT + ": the district selected certain grades, and this person's grade ({grade}) is not one of them.",
        SETTINGS,
        "Your district selected certain grades for this program, and the grade of {name} is not one of them. If the "
        f"grade in your school system is wrong, please correct it. {NEXT_UPDATE}",
        "the student's Enrollments, Grade",
        "the student's grade",
        "filters: grades: in {file}",
    ),
    "no_class": AnswerTemplate(
        _NO_ACCOUNT + ": {name} is in no current class, and only people in classes have accounts in this district.",
        SCHOOL,
        "{name} is in no class right now, and only people in a class have an account here. Please add {name} to a "
        f"class. {NEXT_UPDATE}",
        SCHEDULE,
        SCHEDULE_ELSEWHERE,
        "filters: require_class: in {file}",
    ),
    "no_username": AnswerTemplate(
        _NO_ACCOUNT + ": no value in the username fields ({field}).",
        SCHOOL,
        "In your school system, {name} has no value in {field}. We need it to create the username. Please enter it. "
        f"{NEXT_UPDATE}",
        USERNAME_FIELD,
        DETAILS,
        "usernames: in {file} can name a second field for people with no value in the first",
    ),
    "username_pattern": AnswerTemplate(
        _NO_ACCOUNT + ': the SIS sent "{sent}" in {field}. The resulting username does not match the required format, '
        "or contains a space, a control character, or a letter without an ASCII form.",
        SCHOOL,
        "In your school system, {field} of {name} is not in the format we need for a username. It is often a typo or "
        f"an extra space. Please correct it. {NEXT_UPDATE}",
        USERNAME_FIELD,
        DETAILS,
        "usernames: pattern: in {file}; transform: [no_spaces] removes spaces",
    ),
    "username_collision": AnswerTemplate(
        _NO_ACCOUNT + ': the username "{username}" (from {field}) would be the same as the username of {other}. '
        "{other_state} Rollcall never invents a different username.",
        SCHOOL,
        "In your school system, {name} and another person have the same value in {field}. Each person needs a "
        f"different one. Please enter one that only {{name}} has. {NEXT_UPDATE}",
        USERNAME_FIELD,
        DETAILS,
        "people: {id}: username: in {file} sets a username by hand; usernames: can name another field; if both records "
        "are one person, person_key: email combines records with the same name and email address",
    ),
    "same_person": AnswerTemplate(
        "This is a second record of {name} (same name and {person_key}). The account belongs to the record {other}.",
        NO_ACTION,
        "{name} has two records in your school system and one account here for both.",
        rollcall="person_key: in {file}; the value sourcedId treats every record as a separate person",
    ),
    "second_record": AnswerTemplate(
        "This record of {name} has no account because its only role is {roles}. The account belongs to another record "
        "of the same person: {other} ({basis}). {other_state}",
        NO_ACTION,
        "{name} has two records in your school system. One lists {name} only as {roles} and gets no account here. The "
        "other one has the account.",
        rollcall="roles: in {file}",
    ),
}
