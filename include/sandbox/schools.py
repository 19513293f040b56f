"""The district's orgs: itself, one department, and its schools, about one for every 420 students."""

from __future__ import annotations

from include.sandbox.dice import Dice
from include.sandbox.names import SCHOOLS
from include.sandbox.roster import Org, Roster

LEVELS = ("elementary", "middle", "high")
GRADES = {
    "elementary": ("KG", "01", "02", "03", "04", "05"),
    "middle": ("06", "07", "08"),
    "high": ("09", "10", "11", "12"),
}
LEVEL_OF_GRADE = {grade: level for level, grades in GRADES.items() for grade in grades}
ALL_GRADES = tuple(LEVEL_OF_GRADE)

_STUDENTS_PER_SCHOOL = 420
_FEWEST_SCHOOLS = 4  # two elementary schools among them, so that somebody can move from one to the other


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
