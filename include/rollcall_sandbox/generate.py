"""A district made up from its name, a seed and a number of students: the same every time, and like a real one."""

from __future__ import annotations

import gc
from collections import defaultdict

from rollcall_sandbox.dice import Dice
from rollcall_sandbox.people import (
    Family,
    Registrar,
    employ_guardians,
    enter_family,
    enter_guardians,
    share_and_lose_emails,
)
from rollcall_sandbox.roster import Membership, Person, Roster
from rollcall_sandbox.schools import LEVELS, STAFF_START, STUDENTS_START, found_schools, open_school_year
from rollcall_sandbox.settings import SandboxDistrict
from rollcall_sandbox.timetable import Scheduler

_TEACHERS_PER_PARENT = 12
_TEACHERS_PER_AIDE = 30
_STUDENTS_PER_AIDE = {"elementary": 70, "middle": 180, "high": 240}
_STUDENTS_PER_COUNSELOR = 300
_EIGHTH_GRADERS_PER_ADVANCED = 8


def generate(settings: SandboxDistrict) -> Roster:
    """The district's roster as it was before the first night.

    The collector is off meanwhile: nothing made here is garbage, and looking through a growing roster again and again
    would make the time grow faster than the district.
    """
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        return _generated(settings)
    finally:
        if was_enabled:
            gc.enable()


def _generated(settings: SandboxDistrict) -> Roster:
    dice = Dice(settings.app, settings.seed)
    roster = Roster()
    registrar = Registrar(roster, dice, settings.domain, dice.touched)
    open_school_year(roster, dice)
    found_schools(roster, dice, settings.name, settings.students)

    families: list[Family] = []
    missing = settings.students
    while missing > 0:
        families.append(enter_family(roster, registrar, dice, missing, STUDENTS_START))
        missing -= len(families[-1].children)

    _teach(roster, dice, registrar)
    _employ(roster, registrar)
    _give_second_roles(roster, dice, registrar, families, guardians=settings.guardians)
    share_and_lose_emails(dice, families, roster.people)
    return roster


def _students_by_school(roster: Roster) -> dict[str, dict[str, list[Person]]]:
    """Students by school and grade."""
    students: dict[str, dict[str, list[Person]]] = defaultdict(lambda: defaultdict(list))
    for person in roster.people.values():
        if person.grade is not None:
            students[person.memberships[0].org][person.grade].append(person)
    return students


def _teach(roster: Roster, dice: Dice, registrar: Registrar) -> None:
    scheduler = Scheduler(roster, dice, registrar)
    by_school = _students_by_school(roster)
    for level in LEVELS:
        for school in roster.schools[level]:
            for grade, students in sorted(by_school[school.sourced_id].items()):
                scheduler.schedule(school, grade, students)
    for school in roster.schools["middle"]:
        for student in by_school[school.sourced_id]["08"][::_EIGHTH_GRADERS_PER_ADVANCED]:
            scheduler.send_ahead(student)


def _employ(roster: Roster, registrar: Registrar) -> None:
    """Principals, counselors, aides and the district's own office."""
    by_school = _students_by_school(roster)
    for level in LEVELS:
        for number, school in enumerate(roster.schools[level]):
            students = sum(len(grade) for grade in by_school[school.sourced_id].values())
            registrar.staff("principal", school.sourced_id, STAFF_START)
            if level == "high":
                registrar.staff("siteAdministrator", school.sourced_id, STAFF_START)
            for _ in range(max(1, students // _STUDENTS_PER_AIDE[level])):
                registrar.staff("aide", school.sourced_id, STAFF_START)
            if level != "elementary":
                for _ in range(max(1, students // _STUDENTS_PER_COUNSELOR)):
                    registrar.staff("counselor", school.sourced_id, STAFF_START)
            elif number % 2:
                # One counselor serves two elementary schools: staff of two orgs.
                counselor = registrar.staff("counselor", school.sourced_id, STAFF_START)
                other = roster.schools[level][number - 1].sourced_id
                counselor.memberships.append(Membership("counselor", other, STAFF_START))
    district = roster.org_of_type("district").sourced_id
    for role in ("districtAdministrator", "districtAdministrator", "systemAdministrator"):
        registrar.staff(role, district, STAFF_START)
    registrar.staff("districtAdministrator", roster.org_of_type("department").sourced_id, STAFF_START)


def _give_second_roles(
    roster: Roster, dice: Dice, registrar: Registrar, families: list[Family], *, guardians: bool
) -> None:
    """Some teachers are aides as well, some are guardians of students; then every family gets its other guardians."""
    teachers = dice.shuffled([person for person in roster.people.values() if person.has_role("teacher")])
    parents = teachers[: max(1, len(teachers) // _TEACHERS_PER_PARENT)]
    for teacher in teachers[-max(1, len(teachers) // _TEACHERS_PER_AIDE) :]:
        teacher.memberships.append(Membership("aide", teacher.memberships[0].org, STAFF_START))
    employed = employ_guardians(roster, families, parents)
    for number, family in enumerate(families if guardians else ()):
        enter_guardians(registrar, dice, family, already=1 if number < len(employed) else 0)
