"""Every answer `rollcall explain` can give, by code. `python -m rollcall.explain.answers` writes docs/answers.md."""

from rollcall.explain.answers.left_out import LEFT_OUT
from rollcall.explain.answers.not_in_roster import NEVER_RECEIVED, REMOVED, SCHOOLS
from rollcall.explain.answers.template import AnswerTemplate
from rollcall.explain.answers.waiting import WAITING
from rollcall.explain.answers.with_account import WITH_ACCOUNT

#: The answers under the headings of docs/answers.md.
GROUPS = {
    "Has an account": WITH_ACCOUNT,
    "Waiting": WAITING,
    "Removed": REMOVED,
    "In the roster without an account": LEFT_OUT,
    "Never received": NEVER_RECEIVED,
    "Schools": SCHOOLS,
}

ANSWERS: dict[str, AnswerTemplate] = {code: answer for group in GROUPS.values() for code, answer in group.items()}
