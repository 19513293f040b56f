"""The district's orgs: itself, one department, and its schools, about one for every 420 students."""

from __future__ import annotations

from datetime import date

from rollcall_sandbox.dice import SCHOOLS, Dice
from rollcall_sandbox.roster import AcademicSession, Org, Roster

LEVELS = ("elementary", "middle", "high")
GRADES = {
    "elementary": ("KG", "01", "02", "03", "04", "05"),
    "middle": ("06", "07", "08"),
    "high": ("09", "10", "11", "12"),
}
LEVEL_OF_GRADE = {grade: level for level, grades in GRADES.items() for grade in grades}
ALL_GRADES = tuple(LEVEL_OF_GRADE)

_STUDENTS_PER_SCHOOL = 420
_FEWEST_SCHOOLS = 4  # with two elementary schools, so people can move between them


def found_schools(roster: Roster, dice: Dice, district_name: str, students: int) -> None:
    """Add the district, its department and its schools."""
    nces = 2700000 + dice.below(90000)
    district = _org(dice, district_name, "district", str(nces))
    roster.orgs[district.sourced_id] = district
    department = _org(dice, "Department of Student Services", "department", f"{nces}-DSS")
    _under(roster, district, department)

    count = max(_FEWEST_SCHOOLS, round(students / _STUDENTS_PER_SCHOOL))
    secondary = max(1, round(count * 0.22))
    levels = {"elementary": count - 2 * secondary, "middle": secondary, "high": secondary}
    sites = dice.shuffled(SCHOOLS)
    founded = 0
    for level in LEVELS:
        for _ in range(levels[level]):
            school = _org(dice, f"{_site(sites, founded)} {level.title()} School", "school", f"{nces}{founded + 1:05d}")
            _under(roster, district, school)
            roster.schools.setdefault(level, []).append(school)
            founded += 1


def school_of(roster: Roster, grade: str, zone: int) -> Org:
    """The school of a grade for an elementary zone; zones that share a middle school share a high school as well."""
    schools = roster.schools[LEVEL_OF_GRADE[grade]]
    return schools[zone * len(schools) // len(roster.schools["elementary"])]


def _site(sites: list[str], founded: int) -> str:
    round_, place = divmod(founded, len(sites))
    return sites[place] if round_ == 0 else f"{sites[place]} {round_ + 1}"


def _org(dice: Dice, name: str, type_: str, identifier: str) -> Org:
    return Org(sourced_id=dice.hexadecimal(8), modified=dice.set_up(), name=name, type=type_, identifier=identifier)


def _under(roster: Roster, parent: Org, child: Org) -> None:
    child.parent = parent.sourced_id
    parent.children.append(child.sourced_id)
    roster.orgs[child.sourced_id] = child


# The school year 2026-2027: two semesters, two terms in each, two grading periods in each term.

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
