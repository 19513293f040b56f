"""The answers `rollcall explain` ends with: one table, to be read and corrected. docs/answers.md is made from it.

`said` is for whoever runs Rollcall. `campus` is the screen of Infinite Campus where it is put right, `elsewhere` the
same place in other systems, `ours` the line of the district's file or the command. `reply` is what a school secretary
is told: plain words, no id, nobody's name but the person's own, so only the values in `IN_REPLIES` stand there.

Facts about Infinite Campus are from its knowledge base: "OneRoster data is scoped to the active school year";
"Enrollments marked as No Show are not returned"; people without a user account may not come; a district may limit a
connection to chosen schools; before 1.2 a person is one record per role; the e-mail is the field Email of Demographics.
"""

from __future__ import annotations

from dataclasses import dataclass

#: The values a reply may hold.
IN_REPLIES = frozenset({"name", "sites", "school", "old_school", "date", "last_pull", "next_pull", "field", "roles"})

NOBODY = "Nobody: nothing has to be done."
SCHOOL = "The school, in its student information system."
DISTRICT = "The district's administrator of the connection."
FILE = "Whoever keeps the district's file."
OPERATOR = "Whoever runs Rollcall."
DECIDER = "Whoever decides about holds."

_CONNECTION = "Instruction > Settings > Digital Learning Applications Configuration, Edit connection"
_CONNECTION_ELSEWHERE = "the page of our OneRoster connection"
_ENROLLMENTS = "the student's Enrollments; for staff, the person's District Assignments"
_ENROLLMENTS_ELSEWHERE = "the student's enrollment, or the employee's assignment"
_DEMOGRAPHICS = "the person's Demographics"
_DETAILS = "the person's own record"
_SCHEDULE = "the student's Schedule"
_SCHEDULE_ELSEWHERE = "the student's timetable"
_COMES = "After that it comes with our next update, {next_pull}."


@dataclass(frozen=True)
class AnswerTemplate:
    """One of them.

    :param causes: likely causes in the order in which they are worth a look.
    """

    said: str
    who: str
    reply: str
    campus: str = ""
    elsewhere: str = ""
    ours: str = ""
    causes: tuple[str, ...] = ()


_HAS = '{name} has an account at {sites} with the username "{username}", made from {field}'
_REPLY_HAS = "{name} has an account here, at {sites}."
_NO_ACCOUNT = "{name} has no account"

#: A person with an account, and what is worth knowing about it.
_WITH_ACCOUNT = {
    "has_account": AnswerTemplate(
        _HAS + ", and is in {classes}. What the district entered after {last_pull} is not here yet: it comes with the "
        "next pull, {next_pull}.",
        NOBODY,
        _REPLY_HAS + " What was entered after {last_pull} is not here yet; it comes with our next update, {next_pull}.",
        ours="rollcall sync {district}, when it cannot wait",
    ),
    "no_class_yet": AnswerTemplate(
        _HAS + ", and is in no class. A class entered after {last_pull} comes with the next pull, {next_pull}.",
        SCHOOL,
        _REPLY_HAS + " No class had come for {name} by {last_pull}. A class entered after that comes with our next "
        "update, {next_pull}.",
        _SCHEDULE,
        _SCHEDULE_ELSEWHERE,
        "rollcall sync {district}, when it cannot wait",
    ),
    "several_roles": AnswerTemplate(
        _HAS + ": here {name} is {role}, because of the role {counting}. The role {not_counting} gives no account here "
        "and takes none away.",
        NOBODY,
        "{name} has an account here, at {sites}. It is for the work there; being a parent or having another role "
        "besides changes nothing.",
        ours="roles: in {file} says what each role becomes",
    ),
    "school_renamed": AnswerTemplate(
        _HAS + '. On {date} the district renamed the school "{old_school}" to "{school}"; {site_kept}, and nobody '
        "moved.",
        NOBODY,
        'The school "{old_school}" is called "{school}" since {date}. {name} is at the same place as before and keeps '
        "the account.",
        ours="sites: in {file}; a site's name there is ours, whatever the school is called",
    ),
    "returned": AnswerTemplate(
        _HAS + ". {name} had left the roster and came back on {date}; the account is the one from before.",
        NOBODY,
        "{name} was away from the data your school system shares, and has been back since {date}. The account is the "
        "same as before.",
    ),
    "merged_from": AnswerTemplate(
        _HAS + ". Another record of the same person, {other}, left the roster on {date} ({because}): the two have "
        "{basis}, so they were probably merged, and this is the one that was kept.",
        NOBODY,
        "{name} was recorded twice in your school system. One of the two records was taken out on {date}; the other "
        "is here and has the account.",
    ),
    "blank_taken_away": AnswerTemplate(
        '{name} has an account at {sites} with the username "{username}". The provider sent "{sent}" in {field}, with '
        "a blank or another character that cannot be seen, which we removed. Where another system keeps it, the two do "
        "not match.",
        SCHOOL,
        "{name} has an account here, at {sites}. In your school system {field} has a blank or another character in it "
        "that cannot be seen. We remove it; please delete it there too, so that every program has the same.",
        _DEMOGRAPHICS + ", field Email; for a username, the person's User Account",
        _DETAILS,
    ),
    "kept_apart": AnswerTemplate(
        _HAS + ". The record of {other} has the same {key}, but the two contradict each other or the {key} is a "
        "placeholder ({what}), so they are two people here.",
        SCHOOL,
        _REPLY_HAS + " In your school system {name} shares a number or an e-mail address with another record. If both "
        "are one person, please correct what differs or combine the records; if not, please correct the number or "
        "address.",
        _DEMOGRAPHICS,
        _DETAILS,
        "person_key: in {file} says what makes one person of several records",
    ),
    "switched_off": AnswerTemplate(
        _HAS + ", but the provider says that the person's user account there is switched off.",
        SCHOOL,
        "{name} has an account here, at {sites}, but in your school system the user account is switched off. Please "
        f"switch it on there if {{name}} should sign in. {_COMES}",
        "the person's User Account, tick Disabled",
        "the person's user account",
    ),
}

#: Somebody in the roster whom a rule, a decision or an absence holds up.
_UNSETTLED = {
    "rejected": AnswerTemplate(
        "What the provider sends for {name} was refused in the night of {date}: {reason} (rule {rule}, field {field}). "
        "The last good version stays in use.",
        SCHOOL,
        "What your school system sends about {name} has a mistake in the field {field}, so we still use what came "
        f"before. Please correct it there. {_COMES}",
        "the screen of the person's record that has the field",
        _DETAILS,
        "rules: in {file} lowers a rule, with why",
    ),
    "rejected_new": AnswerTemplate(
        "{name} came, but was refused in the night of {date}: {reason} (rule {rule}, field {field}). Nothing of {name} "
        "is published.",
        SCHOOL,
        "Your school system sends {name}, but with a mistake in the field {field}, so we cannot use it. Please correct "
        f"it there. {_COMES}",
        "the screen of the person's record that has the field",
        _DETAILS,
        "rules: in {file} lowers a rule, with why",
    ),
    "held_removals": AnswerTemplate(
        "The removal of {name} waits for a decision since {date}: hold {hold}. Until somebody decides, {name} stays as "
        "published.",
        DECIDER,
        "Your school system no longer sends {name}, along with many others. We wait until somebody has looked at it; "
        "nothing is lost meanwhile.",
        _ENROLLMENTS,
        _ENROLLMENTS_ELSEWHERE,
        "rollcall holds show {hold}",
    ),
    "held_updates": AnswerTemplate(
        "A change of {name} waits for a decision since {date}, because very much changed at once: hold {hold}. Until "
        "somebody decides, {name} stays as published.",
        DECIDER,
        "A change about {name} came along with very many others. We wait until somebody has looked at it; nothing is "
        "lost meanwhile.",
        ours="rollcall holds show {hold}",
    ),
    "held_usernames": AnswerTemplate(
        "A new username of {name} waits for a decision since {date}: hold {hold}. Until somebody decides, the one "
        "before goes on.",
        DECIDER,
        "The username of {name} would change. We wait until somebody has agreed; until then the one before goes on.",
        ours="rollcall holds show {hold}",
    ),
    "held_identities": AnswerTemplate(
        "What came for {name} looks like another person, or like a known one under a new id, and waits for a decision "
        "since {date}: hold {hold}. What is published stays.",
        DECIDER,
        "Your school system sends {name} in a way that looks like another person, or like the same one recorded anew. "
        "We wait until somebody has looked at it; nothing is lost meanwhile.",
        _DEMOGRAPHICS,
        _DETAILS,
        "rollcall holds show {hold}",
    ),
    "missing": AnswerTemplate(
        "{name} was not in the full pull of {date}, and nothing says why. One absence proves nothing: all of {name} "
        "stays as it was; after a second full pull without {name} it is removed.",
        SCHOOL,
        "Your school system has not sent {name} since {date}. If {name} is still there, please look whether the "
        f"enrollment (for staff, the assignment) goes on this school year and is not marked No Show. {_COMES}",
        _ENROLLMENTS,
        _ENROLLMENTS_ELSEWHERE,
    ),
    "unsettled": AnswerTemplate(
        "{name} is in the roster, but the newest publication gave neither an account nor a reason why not.",
        OPERATOR,
        "{name} has come, and the account is not made yet. We are looking into it.",
        ours="rollcall sync {district}",
    ),
}

#: Somebody who was in the roster.
_GONE = {
    "merged_into": AnswerTemplate(
        "This record of {name} left the roster on {date} ({because}), and {other} lives on with {basis}: the two were "
        "probably merged. {other_state}",
        NOBODY,
        "{name} was recorded twice in your school system. One of the two records was taken out on {date}; {name} goes "
        "on under the one that was kept.",
        "Combine Person keeps one record of two; the old id does not come back",
        "the tool that merges two records of one person",
    ),
    "removed_by_provider": AnswerTemplate(
        "{name} was removed on {date}: the provider marked the record as to be deleted.",
        SCHOOL,
        "Your school system told us on {date} that {name} is to be deleted. If that was a mistake, please enter {name} "
        "again; the account from before comes back with our next update after that, {next_pull}.",
        _ENROLLMENTS,
        _ENROLLMENTS_ELSEWHERE,
    ),
    "removed_after_absence": AnswerTemplate(
        "{name} was removed on {date}: two complete full pulls came without {name}.",
        SCHOOL,
        "Your school system stopped sending {name}, and we took the account away on {date}. If {name} is still there, "
        "please look whether the enrollment (for staff, the assignment) goes on this school year and is not marked No "
        "Show, and whether there is a user account. The account from before comes back with our next update after "
        "that, {next_pull}.",
        _ENROLLMENTS + "; then the person's User Account",
        _ENROLLMENTS_ELSEWHERE + "; then the person's user account",
    ),
    "removed": AnswerTemplate(
        "{name} was removed on {date}: {because}.",
        SCHOOL,
        "{name} left the data your school system shares, and we took the account away on {date}. If {name} is still "
        "there, please look at the record; the account from before comes back with our next update after that, "
        "{next_pull}.",
        _ENROLLMENTS,
        _ENROLLMENTS_ELSEWHERE,
    ),
}

#: Why somebody in the roster has no account: an answer for each of `LEFT_OUT_REASONS`.
_LEFT_OUT = {
    "decided": AnswerTemplate(
        _NO_ACCOUNT + ": so it was decided about this one person, because: {detail}",
        FILE,
        "For {name} it was decided that there is no account here. If that should change, please tell us.",
        ours="people: {id}: in {file}",
    ),
    "no_role": AnswerTemplate(
        _NO_ACCOUNT + ", because the provider sends no role: neither student nor anything else.",
        SCHOOL,
        "Your school system sends {name}, but does not say whether as a student or as staff. Please look whether "
        f"{{name}} has an enrollment (for staff, an assignment) this school year. {_COMES}",
        _ENROLLMENTS,
        _ENROLLMENTS_ELSEWHERE,
    ),
    "role_left_out": AnswerTemplate(
        _NO_ACCOUNT + ": the only role is {roles}, which gets none here.",
        FILE,
        "{name} comes to us as {roles}, and such people have no account here. If {name} works or learns at a school, "
        f"please look whether that is entered for this school year. {_COMES}",
        _ENROLLMENTS,
        _ENROLLMENTS_ELSEWHERE,
        "roles: {detail}: in {file}",
    ),
    "role_undecided": AnswerTemplate(
        _NO_ACCOUNT + ": nobody has decided yet what the role {detail} becomes here.",
        FILE,
        "{name} comes to us with a role we have not met before. We decide what it means; nothing has to be done at "
        "your school.",
        ours="roles: {detail}: in {file} (student, staff or leave_out)",
    ),
    "filtered_role": AnswerTemplate(
        _NO_ACCOUNT + ": the role {detail} is not among those the district chose.",
        FILE,
        "{name} comes to us as {roles}, and your district chose other roles for this program. If {name} should have an "
        "account, please ask your district's administrator.",
        ours="filters: roles: in {file}",
    ),
    "role_ended": AnswerTemplate(
        _NO_ACCOUNT + ": the role at {school} ended; the date the school gave is {date}.",
        SCHOOL,
        "By your school system {name} was at {school} until {date}. If {name} is still there, please correct the end "
        f"date. {_COMES}",
        _ENROLLMENTS + ", End Date",
        _ENROLLMENTS_ELSEWHERE + ", its end date",
    ),
    "role_not_begun": AnswerTemplate(
        _NO_ACCOUNT + " yet: the role at {school} begins on {date}, and the account comes by itself by then.",
        NOBODY,
        "By your school system {name} begins at {school} on {date}, and the account comes by itself by then. If {name} "
        f"is there already, please correct the begin date. {_COMES}",
        _ENROLLMENTS + ", Start Date",
        _ENROLLMENTS_ELSEWHERE + ", its begin date",
        "filters: start_early: in {file} gives accounts some days before",
    ),
    "no_school": AnswerTemplate(
        _NO_ACCOUNT + ": {name} is at no school that was shared with us.",
        DISTRICT,
        "{name} comes to us without a school. Please look whether {name} is enrolled (for staff, assigned) at a school "
        "this school year, and ask your district's administrator whether that school is shared with us.",
        _CONNECTION + ", the schools it is limited to; then " + _ENROLLMENTS,
        _CONNECTION_ELSEWHERE + ", the schools it is limited to; then " + _ENROLLMENTS_ELSEWHERE,
        "sites: map: in {file}, if an office should be a site too",
    ),
    "school_left_out": AnswerTemplate(
        _NO_ACCOUNT + ": {school} is deliberately left out here, and {name} is at no other school that has a site.",
        FILE,
        "{name} is at {school}, and that school does not take part in this program. If it should, please ask your "
        "district's administrator.",
        ours="sites: map: {detail}: leave_out in {file}; rollcall sites {district}",
    ),
    "school_undecided": AnswerTemplate(
        _NO_ACCOUNT + ": nobody has decided yet to which site {school} belongs.",
        FILE,
        "{name} is at {school}, which we have not set up yet. Nothing has to be done at your school.",
        ours="rollcall sites {district} set {detail} SITE, or sites: map: {detail}: in {file}",
    ),
    "filtered_school": AnswerTemplate(
        _NO_ACCOUNT + ": {school} is not among the schools the district chose.",
        FILE,
        "{name} is at {school}, and your district chose other schools for this program. If {name} should have an "
        "account, please ask your district's administrator.",
        ours="filters: schools: in {file}",
    ),
    "filtered_grade": AnswerTemplate(
        _NO_ACCOUNT + ": {grade} is not among the grades the district chose.",
        FILE,
        "Your district chose certain grades for this program, and {name} is in none of them. If the grade in your "
        f"school system is wrong, please correct it. {_COMES}",
        "the student's Enrollments, Grade",
        "the student's grade",
        "filters: grades: in {file}",
    ),
    "no_class": AnswerTemplate(
        _NO_ACCOUNT + ": {name} is in no class that goes on, and only people in classes get one in this district.",
        SCHOOL,
        "{name} is in no class at the moment, and only people in a class have an account here. Please put {name} into "
        f"a class. {_COMES}",
        _SCHEDULE,
        _SCHEDULE_ELSEWHERE,
        "filters: require_class: in {file}",
    ),
    "no_username": AnswerTemplate(
        _NO_ACCOUNT + ": the username is made from {field}, and nothing is entered there.",
        SCHOOL,
        f"For {{name}} there is nothing in {{field}}, and we need it for the username. Please enter it. {_COMES}",
        _DEMOGRAPHICS + ", field Email; for a username, the person's User Account",
        _DETAILS,
        "usernames: in {file}, where a second field can be named for those who have nothing in the first",
    ),
    "username_pattern": AnswerTemplate(
        _NO_ACCOUNT + ': what the provider sent in {field} is "{sent}", and the username made from it does not have '
        "the required form, or has a blank, a control character or a letter without an ASCII form in it.",
        SCHOOL,
        "What your school system has in {field} for {name} does not have the form we need for a username; often it is "
        f"a slip of the pen or a blank. Please correct it. {_COMES}",
        _DEMOGRAPHICS + ", field Email; for a username, the person's User Account",
        _DETAILS,
        "usernames: pattern: in {file}; transform: [no_spaces] there removes blanks",
    ),
    "username_collision": AnswerTemplate(
        _NO_ACCOUNT + ': the username "{username}", made from {field}, would be the same as that of {other}. '
        "{other_state} Nobody gets a name that was not agreed.",
        SCHOOL,
        "For {name} your school system has the same in {field} as for another person, and each person needs one of "
        f"their own. Please enter one for {{name}} alone. {_COMES}",
        _DEMOGRAPHICS + ", field Email; for a username, the person's User Account",
        _DETAILS,
        "people: {id}: username: in {file} decides one by hand; usernames: names another field; if both are one "
        "person, person_key: email makes one of records that share name and e-mail address",
    ),
    "same_person": AnswerTemplate(
        "This is a second record of {name} (the same name and {person_key}); the account is with the record {other}.",
        NOBODY,
        "{name} is recorded twice in your school system, and has one account here for both.",
        ours="person_key: in {file}; sourcedId makes every record a person of its own",
    ),
    "second_record": AnswerTemplate(
        "This record of {name} gets no account, because its only role is {roles}; the account is with another record "
        "of the same person, {other} ({basis}). {other_state}",
        NOBODY,
        "{name} has two records in your school system. One is only as {roles} and gets no account here; the account is "
        "with the other.",
        ours="roles: in {file}",
    ),
}

#: Somebody of whom nothing ever came, and a district of which nothing comes.
_NEVER_CAME = {
    "enrolled_but_absent": AnswerTemplate(
        "{count} came that name {who}, but no person of that id: probably without a user account in the student "
        "information system, or outside the connection's school scope.",
        SCHOOL,
        "Your school system sends classes for this person, but not the person. Please look whether the person has a "
        f"user account there. If so, your district's administrator can see which schools are shared with us. {_COMES}",
        "the person's User Account; then " + _CONNECTION + ", the schools it is limited to",
        "the person's user account; then " + _CONNECTION_ELSEWHERE + ", the schools it is limited to",
    ),
    "enrolled_and_not_received": AnswerTemplate(
        "{count} name {who}, but no person of that id was received. The last pull did not receive all people: "
        "{received} of {expected}. This person may be among those that are missing.",
        OPERATOR,
        "We did not receive all people of your school system the last time, and this person may be among those that "
        "are missing. We are looking into it; the next update is {next_pull}.",
        ours="rollcall check {district}, then rollcall sync {district} --full",
    ),
    "held_first": AnswerTemplate(
        "The roster of {district_name} waits for a decision since {date}, because there is no proof that all of it was "
        "received: hold {hold}. {who} may be part of it, or of what was not received.",
        DECIDER,
        "The first data of your district is not complete yet. We wait until all of it is here; the next update is "
        "{next_pull}.",
        ours="rollcall holds show {hold}",
    ),
    "held_new": AnswerTemplate(
        "A record with this id came for the first time and waits for a decision since {date}, because many people seem "
        "to come back under new ids: hold {hold}.",
        DECIDER,
        "This person came to us under a new number, along with others. We wait until somebody has looked at it.",
        ours="rollcall holds show {hold}",
    ),
    "never_synced": AnswerTemplate(
        "Nothing of {district_name} was ever published, so nobody is here yet.",
        OPERATOR,
        "The data of your district has not come to us yet. We are setting it up.",
        ours="rollcall check {district}, then rollcall sync {district}",
    ),
    "district_disabled": AnswerTemplate(
        'Nobody called "{who}" is here, and {district_name} is switched off: what is published is of {last_pull}, and '
        "nothing newer comes.",
        FILE,
        "Your district's data does not come to us at present; what we have is of {last_pull}. Please ask your "
        "district's administrator.",
        ours="enabled: in {file}",
    ),
    "district_paused": AnswerTemplate(
        'Nobody called "{who}" is here, and publication of {district_name} is paused: {paused}. What is published is '
        "of {last_pull}.",
        OPERATOR,
        "Updates from your district are paused on our side; what we have is of {last_pull}. We go on as soon as "
        "possible.",
        ours="rollcall resume {district}",
    ),
    "pull_failed": AnswerTemplate(
        'Nobody called "{who}" is here, and what is published is of {last_pull}: the pull of {date} failed. {error}',
        OPERATOR,
        "Our last update from your district did not work; what we have is of {last_pull}. What was entered after that "
        "comes when it works again, at the earliest {next_pull}.",
        ours="rollcall status; rollcall check {district}",
    ),
    "never_came": AnswerTemplate(
        'Nobody called "{who}" ever came from {district_name}. These are the likely causes, the likeliest first:',
        SCHOOL,
        "{name} has not come to us from your school system. Please look at these, in this order:",
        _ENROLLMENTS + "; then the person's User Account; then " + _CONNECTION,
        _ENROLLMENTS_ELSEWHERE + "; then the person's user account; then " + _CONNECTION_ELSEWHERE,
        "rollcall sync {district}, when a new person cannot wait",
        (
            "The person was entered after {last_pull}. Then nothing has to be done: it comes with the next update, "
            "{next_pull}.",
            "The enrollment (for staff, the assignment) is not in the active school year; only that year is shared.",
            "The enrollment is marked No Show; such enrollments are not shared.",
            "The person has no user account in the student information system.",
            "The person's school is not among those the district shares with us.",
            "The name is spelled otherwise there; part of it is enough to look for.",
        ),
    ),
}

#: A school that was asked about.
_SCHOOLS = {
    "school_was_renamed": AnswerTemplate(
        'On {date} the district renamed the school "{old_school}" to "{school}". It is the same school (same id, '
        "{people}); {site_kept}, and nobody moved.",
        NOBODY,
        'The school "{old_school}" is called "{school}" since {date}. Everybody there keeps the account.',
        ours="sites: in {file}; a site's name there is ours, whatever the school is called",
    ),
    "school_has_site": AnswerTemplate(
        'The school "{school}" belongs to the site {sites}; {people} with a role there came.',
        NOBODY,
        'The school "{school}" takes part; the people your school system sends have their accounts at {sites}.',
        ours="rollcall sites {district}",
    ),
    "school_without_site": AnswerTemplate(
        'The school "{school}" gives no account: {why}. {people} with a role there came.',
        FILE,
        'The school "{school}" does not take part in this program, or is not set up yet.',
        ours="rollcall sites {district}",
    ),
    "school_removed": AnswerTemplate(
        'The school "{school}" was removed on {date}: {because}.',
        DISTRICT,
        'Your district stopped sharing the school "{school}" with us on {date}.',
        _CONNECTION + ", the schools it is limited to",
        _CONNECTION_ELSEWHERE + ", the schools it is limited to",
    ),
}

#: Headings of the groups, as the documentation has them.
GROUPS = {
    "Has an account": _WITH_ACCOUNT,
    "Something is in the way": _UNSETTLED,
    "Was here": _GONE,
    "Is here without an account": _LEFT_OUT,
    "Never came": _NEVER_CAME,
    "Schools": _SCHOOLS,
}

ANSWERS: dict[str, AnswerTemplate] = {code: answer for group in GROUPS.values() for code, answer in group.items()}
