"""The form of an answer, who can act on it, and the screens it names.

Facts about Infinite Campus are from its knowledge base: "OneRoster data is scoped to the active school year";
"Enrollments marked as No Show are not returned"; people without a user account may be missing; a district may limit a
connection to chosen schools; before 1.2 a person has one record per role; the email is the field Email of Demographics.
"""

from __future__ import annotations

from dataclasses import dataclass

#: The only values a reply may contain. None of them is an ID or the name of another person.
REPLY_VALUES = frozenset({"name", "sites", "school", "old_school", "date", "last_pull", "next_pull", "field", "roles"})

NO_ACTION = "No action needed."
SCHOOL = "The school (in its student information system)"
DISTRICT = "The district (administrator of the OneRoster connection)"
SETTINGS = "Your team (district settings)"
OPERATOR = "Your team (Rollcall operations)"
REVIEWER = "Your team (hold decisions)"

CONNECTION = "Instruction > Settings > Digital Learning Applications Configuration, Edit connection"
CONNECTION_ELSEWHERE = "the settings of our OneRoster connection"
SCHOOL_SCOPE = CONNECTION + ", selected schools"
SCHOOL_SCOPE_ELSEWHERE = CONNECTION_ELSEWHERE + ", selected schools"
ENROLLMENTS = "the student's Enrollments; for staff, the person's District Assignments"
ENROLLMENTS_ELSEWHERE = "the student's enrollment, or the employee's assignment"
DEMOGRAPHICS = "the person's Demographics"
DETAILS = "the person's own record"
USERNAME_FIELD = DEMOGRAPHICS + ", Email field; for a username, the person's User Account"
SCHEDULE = "the student's Schedule"
SCHEDULE_ELSEWHERE = "the student's schedule"

NEXT_UPDATE = "The correction will arrive with our next update: {next_pull}."
ACCOUNT_RETURNS = "The previous account will return with our next update after that: {next_pull}."


@dataclass(frozen=True)
class AnswerTemplate:
    """One answer. Words in braces are filled in.

    :param text: for the person who runs Rollcall.
    :param owner: who can fix it.
    :param reply: ready to forward to a school secretary: plain words and only the values in `REPLY_VALUES`.
    :param infinite_campus: the screen in Infinite Campus where it is fixed.
    :param other_sis: the same place in other systems.
    :param rollcall: the key in the district's file, or the command.
    :param causes: likely causes, the most likely first.
    """

    text: str
    owner: str
    reply: str
    infinite_campus: str = ""
    other_sis: str = ""
    rollcall: str = ""
    causes: tuple[str, ...] = ()
