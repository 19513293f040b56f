"""A night passes: people join, move school, marry, leave with a tombstone, vanish without one, change classes.

The same district, seed, and number of nights give the same roster, except for the time stamps. A night stamps its
changes with the current time, so a client's delta always includes them. People who leave take their enrollments and
demographics with them, and guardians without another child here. Agents stay symmetric.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import islice

from rollcall_sandbox.dice import FAMILY, Dice
from rollcall_sandbox.people import Registrar, enter_family, enter_guardians, family_role, settle_family_role
from rollcall_sandbox.roster import ACTIVE, TOBEDELETED, Enrollment, Membership, Person, Record, Roster
from rollcall_sandbox.schools import LEVEL_OF_GRADE
from rollcall_sandbox.settings import SandboxDistrict
from rollcall_sandbox.timetable import enroll, place

_OF_STUDENTS = 1500
_JOIN, _MOVE, _RENAME, _LEAVE, _VANISH, _RESCHEDULE = 6, 5, 4, 4, 3, 8

# How a person leaves, with a tombstone or without; recorded in a group of the night.
_Ending = Callable[[Person, list[Person]], None]


@dataclass(slots=True)
class Group:
    """The affected people, and the guardians who were added or removed with them."""

    people: list[Person] = field(default_factory=list)
    family: list[Person] = field(default_factory=list)


@dataclass(slots=True)
class Night:
    """What a night did, and when, in UTC."""

    number: int
    at: datetime
    joined: Group = field(default_factory=Group)
    moved: Group = field(default_factory=Group)
    renamed: Group = field(default_factory=Group)
    left: Group = field(default_factory=Group)
    vanished: Group = field(default_factory=Group)
    rescheduled: Group = field(default_factory=Group)

    def groups(self) -> dict[str, Group]:
        return {
            "joined": self.joined,
            "moved": self.moved,
            "renamed": self.renamed,
            "left": self.left,
            "vanished": self.vanished,
            "rescheduled": self.rescheduled,
        }


def pass_night(roster: Roster, settings: SandboxDistrict, number: int, at: datetime) -> Night:
    """Change the roster as night `number` (1 is the first) changes it."""
    work = _NightWork(roster, settings, number, at)
    work.do()
    return work.night


class _NightWork:
    def __init__(self, roster: Roster, settings: SandboxDistrict, number: int, at: datetime) -> None:
        self._roster = roster
        self._scale = settings.students / _OF_STUDENTS * settings.bustle
        self._guardians = settings.guardians
        self._dice = Dice(settings.app, settings.seed, "night", number)
        # Records have milliseconds, and a night is never before the request for it.
        stamp = at.astimezone(UTC) + timedelta(microseconds=999)
        self.night = Night(number, stamp.replace(microsecond=stamp.microsecond // 1000 * 1000))
        self._date = at.date()
        self._registrar = Registrar(roster, self._dice, settings.domain, self._now)

    def do(self) -> None:
        students = self._dice.shuffled([person for person in self._roster.people.values() if self._is_free(person)])
        movers = [student for student in students if self._other_schools(student)][: self._share(_MOVE)]
        moving = {student.number for student in movers}
        others = iter([student for student in students if student.number not in moving])

        leaving = self._share(_LEAVE)
        teachers = self._leaving_teachers(leaving // 4)
        for student in _first(others, leaving - len(teachers)):
            self._leave(student, self.night.left.people)
        for student in _first(others, self._share(_VANISH)):
            self._vanish(student, self.night.vanished.people)
        for student in movers:
            self._move(student)
        for student in [student for student in others if self._electives(student)][: self._share(_RESCHEDULE)]:
            self._reschedule(student)
        for teacher in teachers:
            self._succeed(teacher)
        self._join(self._share(_JOIN) - len(teachers))
        self._rename(self._share(_RENAME))

    def _share(self, of_1500: int) -> int:
        return max(1, round(of_1500 * self._scale))

    def _now(self) -> datetime:
        return self.night.at

    def _touch(self, record: Record) -> None:
        record.modified = self._now()

    def _is_free(self, person: Person) -> bool:
        """An active student of one school whose guardians do not work here, so that a change stays theirs."""
        return (
            person.status == ACTIVE
            and person.grade is not None
            and len(person.memberships) == 1
            and all(self._roster.people[agent].identifier is None for agent in person.agents)
        )

    # Going -----------------------------------------------------------------------------------------------------------

    def _leave(self, person: Person, group: list[Person]) -> None:
        """Turn a person and what belongs to them into tombstones."""
        group.append(person)
        self._part(person, self._leave, self.night.left.family)
        person.status = TOBEDELETED
        self._touch(person)
        for enrollment in self._roster.live_enrollments(person.number):
            self._drop(enrollment)
        demographics = self._roster.demographics.get(person.number)
        if demographics is not None:
            demographics.status = TOBEDELETED
            self._touch(demographics)

    def _vanish(self, person: Person, group: list[Person]) -> None:
        """Take a person and what belongs to them out, tombstones of earlier nights as well."""
        group.append(person)
        self._part(person, self._vanish, self.night.vanished.family)
        del self._roster.people[person.number]
        for key in self._roster.enrollments_of.pop(person.number, []):
            del self._roster.enrollments[key]
        self._roster.demographics.pop(person.number, None)

    def _part(self, student: Person, end: _Ending, family: list[Person]) -> None:
        """Take a student away from their guardians; those without another child here leave too."""
        for number in student.agents:
            guardian = self._roster.people[number]
            guardian.agents.remove(student.number)
            if guardian.agents:
                settle_family_role(self._roster, guardian)
                self._touch(guardian)
            else:
                end(guardian, family)
        student.agents = []

    def _drop(self, enrollment: Enrollment) -> None:
        enrollment.status = TOBEDELETED
        self._touch(enrollment)

    # Changing --------------------------------------------------------------------------------------------------------

    def _other_schools(self, student: Person) -> list[str]:
        """The schools with classes for the student's grade, other than the student's own."""
        grade = student.grade or ""
        schools = (school.sourced_id for school in self._roster.schools[LEVEL_OF_GRADE[grade]])
        here = student.memberships[0].org
        return [school for school in schools if school != here and (school, grade) in self._roster.timetables]

    def _move(self, student: Person) -> None:
        school = self._dice.one_of(self._other_schools(student))
        for enrollment in self._roster.live_enrollments(student.number):
            self._drop(enrollment)
        student.memberships = [Membership("student", school, self._date)]
        self._touch(student)
        self._place(student, school)
        for number in student.agents:
            guardian = self._roster.people[number]
            if settle_family_role(self._roster, guardian):
                self._touch(guardian)
        self.night.moved.people.append(student)

    def _place(self, student: Person, school: str) -> None:
        place(self._roster, self._dice, student, school, self._now, on=self._date)

    def _enroll(self, person: Person, section: str, role: str, primary: bool | None) -> None:
        class_ = self._roster.sections[section]
        enroll(self._roster, person, class_, role, self._now(), primary=primary, on=self._date)

    def _electives(self, student: Person) -> list[tuple[Enrollment, list[str]]]:
        """The student's electives that have other classes in the same slot, with those."""
        timetable = self._roster.timetables.get((student.memberships[0].org, student.grade or ""))
        slots = timetable.electives if timetable else []
        return [
            (enrollment, [key for key in slot if key != enrollment.section])
            for enrollment in self._roster.live_enrollments(student.number)
            for slot in slots
            if enrollment.section in slot and len(slot) > 1
        ]

    def _reschedule(self, student: Person) -> None:
        enrollment, others = self._dice.one_of(self._electives(student))
        self._drop(enrollment)
        self._enroll(student, self._dice.one_of(others), "student", None)
        self.night.rescheduled.people.append(student)

    def _rename(self, count: int) -> None:
        """Half of those who marry are staff, the others guardians; address and login stay as they were."""
        adults = [person for person in self._roster.people.values() if person.status == ACTIVE and not person.grade]
        staff = [person for person in adults if person.identifier is not None]
        guardians = [person for person in adults if person.identifier is None and family_role(person)]
        married = self._dice.some_of(staff, count // 2)
        married += self._dice.some_of(guardians, count - len(married))
        for person in married:
            partner = self._dice.one_of([name for name in FAMILY if name != person.family])
            person.family = f"{person.family}-{partner}" if self._dice.chance(0.3) else partner
            self._touch(person)
        self.night.renamed.people.extend(married)

    # Coming ----------------------------------------------------------------------------------------------------------

    def _join(self, count: int) -> None:
        while count > 0:
            family = enter_family(self._roster, self._registrar, self._dice, count, self._date)
            if self._guardians:
                enter_guardians(self._registrar, self._dice, family)
            for child in family.children:
                self._place(child, child.memberships[0].org)
            guardians = [self._roster.people[number] for number in family.children[0].agents]
            self.night.joined.people.extend(family.children)
            self.night.joined.family.extend(guardians)
            count -= len(family.children)

    def _leaving_teachers(self, count: int) -> list[Person]:
        """Teachers with no second role."""
        teachers = [
            person
            for person in self._roster.people.values()
            if person.status == ACTIVE and person.has_role("teacher") and len(person.memberships) == 1
        ]
        return self._dice.some_of(teachers, count)

    def _succeed(self, teacher: Person) -> None:
        """Let a teacher leave and a new one take the classes over."""
        successor = self._registrar.staff("teacher", teacher.memberships[0].org, self._date)
        self.night.joined.people.append(successor)
        taught = self._roster.live_enrollments(teacher.number)
        self._leave(teacher, self.night.left.people)
        for enrollment in taught:
            self._enroll(successor, enrollment.section, "teacher", enrollment.primary)


def _first(people: Iterator[Person], count: int) -> list[Person]:
    return list(islice(people, count))
