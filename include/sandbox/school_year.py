"""The school year 2026-2027: two semesters, two terms in each, two grading periods in each term."""

from __future__ import annotations

from datetime import date

from include.sandbox.dice import Dice
from include.sandbox.roster import AcademicSession, Roster

TITLE = "2026-2027"
YEAR = "2027"  # OneRoster names a school year by the year in which it ends

STUDENTS_START = date(2026, 8, 17)
STAFF_START = date(2026, 8, 3)
_YEAR_END = date(2027, 6, 5)
_TERM_STARTS = (STUDENTS_START, date(2026, 10, 17), date(2027, 1, 9), date(2027, 3, 20), _YEAR_END)
_MIDTERMS = (date(2026, 9, 16), date(2026, 11, 27), date(2027, 2, 13), date(2027, 5, 1))

SCHOOL_YEAR_ID = "1001"
TERM_IDS = ("1004", "1005", "1006", "1007")


def open_school_year(roster: Roster, dice: Dice) -> None:
    """Add the year's fifteen sessions; their ids are Campus termIDs, those of grading periods made from the term's."""
    _add(roster, dice, SCHOOL_YEAR_ID, TITLE, "schoolYear", STUDENTS_START, _YEAR_END, None)
    for half, semester_id in enumerate(("1002", "1003")):
        first = 2 * half
        _add(
            roster, dice, semester_id, f"Semester {half + 1}", "semester",
            _TERM_STARTS[first], _TERM_STARTS[first + 2], SCHOOL_YEAR_ID,
        )  # fmt: skip
        for quarter in (first, first + 1):
            term_id, start, end = TERM_IDS[quarter], _TERM_STARTS[quarter], _TERM_STARTS[quarter + 1]
            _add(roster, dice, term_id, f"Quarter {quarter + 1}", "term", start, end, semester_id)
            middle = _MIDTERMS[quarter]
            _add(roster, dice, f"{term_id}-1", f"Q{quarter + 1} Progress", "gradingPeriod", start, middle, term_id)
            _add(roster, dice, f"{term_id}-2", f"Q{quarter + 1} Final", "gradingPeriod", middle, end, term_id)


def _add(
    roster: Roster, dice: Dice, key: str, title: str, type_: str, start: date, end: date, parent: str | None
) -> None:
    roster.sessions[key] = AcademicSession(
        sourced_id=key, modified=dice.set_up(), title=title, type=type_, start=start, end=end, parent=parent
    )
    if parent is not None:
        roster.sessions[parent].children.append(key)
