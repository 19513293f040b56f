"""Courses, classes, who teaches them and who sits in them.

The students of a grade are divided into cohorts of about 24 with the same core classes at different periods; electives
mix the cohorts. Teachers are hired as classes need them, so no one teaches two classes in one period.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import NamedTuple

from rollcall_sandbox.dice import Dice
from rollcall_sandbox.people import Registrar
from rollcall_sandbox.roster import Course, Enrollment, Membership, Org, Person, Roster, Section, Subject, Timetable
from rollcall_sandbox.schools import GRADES, LEVEL_OF_GRADE, SCHOOL_YEAR_ID, STAFF_START, TERM_IDS

# What is taught: per level the subjects, course titles and how long a course lasts.

ENGLISH = Subject("English Language Arts", "01")
MATHEMATICS = Subject("Mathematics", "02")
SCIENCE = Subject("Life and Physical Sciences", "03")
SOCIAL_STUDIES = Subject("Social Sciences and History", "04")
ARTS = Subject("Visual and Performing Arts", "05")
LANGUAGES = Subject("World Languages", "06")
PHYSICAL_EDUCATION = Subject("Physical, Health, and Safety Education", "08")
COMPUTING = Subject("Computer and Information Sciences", "10")
GENERAL = Subject("Miscellaneous", "22")

WHOLE_YEAR = (SCHOOL_YEAR_ID,)
ALL_TERMS = TERM_IDS
FALL = TERM_IDS[:2]
SPRING = TERM_IDS[2:]


class Offer(NamedTuple):
    """A course on offer; `sessions` are the academic sessions in which its classes meet."""

    title: str
    subject: Subject
    sessions: tuple[str, ...] = ALL_TERMS


def homeroom(grade: str) -> Offer:
    """The homeroom course of an elementary or middle school grade."""
    title = "Kindergarten Homeroom" if grade == "KG" else f"Grade {int(grade)} Homeroom"
    return Offer(title, GENERAL, WHOLE_YEAR)


_SPECIALS = (
    Offer("Art", ARTS, WHOLE_YEAR),
    Offer("Music", ARTS, WHOLE_YEAR),
    Offer("Physical Education", PHYSICAL_EDUCATION, WHOLE_YEAR),
)


def _middle(grade: int) -> tuple[Offer, ...]:
    return (
        Offer(f"Language Arts {grade}", ENGLISH),
        Offer(f"Mathematics {grade}", MATHEMATICS),
        Offer(f"Science {grade}", SCIENCE),
        Offer(f"Social Studies {grade}", SOCIAL_STUDIES),
        Offer(f"Physical Education {grade}", PHYSICAL_EDUCATION),
    )


_FRESHMEN_AND_SOPHOMORES = (
    Offer("Health", PHYSICAL_EDUCATION, FALL),
    Offer("Physical Education", PHYSICAL_EDUCATION, SPRING),
)
_HIGH = {
    "09": (
        Offer("English 9", ENGLISH), Offer("Algebra I", MATHEMATICS), Offer("Biology", SCIENCE),
        Offer("World Geography", SOCIAL_STUDIES), *_FRESHMEN_AND_SOPHOMORES,
    ),
    "10": (
        Offer("English 10", ENGLISH), Offer("Geometry", MATHEMATICS), Offer("Chemistry", SCIENCE),
        Offer("World History", SOCIAL_STUDIES), *_FRESHMEN_AND_SOPHOMORES,
    ),
    "11": (
        Offer("American Literature", ENGLISH), Offer("Algebra II", MATHEMATICS), Offer("Physics", SCIENCE),
        Offer("U.S. History", SOCIAL_STUDIES), Offer("Speech", ENGLISH, FALL),
        Offer("Personal Finance", SOCIAL_STUDIES, SPRING),
    ),
    "12": (
        Offer("English 12", ENGLISH), Offer("Precalculus", MATHEMATICS), Offer("Environmental Science", SCIENCE),
        Offer("Government", SOCIAL_STUDIES, FALL), Offer("Economics", SOCIAL_STUDIES, SPRING),
    ),
}  # fmt: skip

CORE: dict[str, tuple[Offer, ...]] = dict.fromkeys(("KG", "01", "02", "03", "04", "05"), _SPECIALS)
CORE |= {f"{grade:02d}": _middle(grade) for grade in (6, 7, 8)}
CORE |= _HIGH

ELECTIVES: dict[str, tuple[Offer, ...]] = {
    "elementary": (),
    "middle": (
        Offer("Band", ARTS), Offer("Spanish: ¡Adelante!", LANGUAGES), Offer("Coding & Robotics", COMPUTING),
        Offer("Art Studio", ARTS), Offer("Choir", ARTS),
    ),
    "high": (
        Offer("Spanish I", LANGUAGES), Offer("Computer Science Principles", COMPUTING), Offer("Theatre", ARTS),
        Offer("Français II", LANGUAGES), Offer("Jazz Band", ARTS), Offer("Weight Training", PHYSICAL_EDUCATION),
        Offer("Ceramics", ARTS), Offer("Journalism", ENGLISH),
    ),
}  # fmt: skip

ELECTIVE_SLOTS = {"elementary": 0, "middle": 2, "high": 2}

# An eighth grader ahead in mathematics takes this class of the high school instead of the middle school's own.
EARLY_CLASS = "Geometry"
EARLY_CLASS_GRADE = "10"


_COHORT = {"elementary": 23, "middle": 26, "high": 26}
# In classes times terms: six classes in each of the four terms, or an elementary specialist's many short ones.
_FULL_LOAD = {"elementary": 96, "middle": 24, "high": 24}
_CO_TAUGHT = 0.06
_FIRST_COURSE_ID, _FIRST_SECTION_ID, _FIRST_ROSTER_ID, _FIRST_HISTORY_ID = 3001, 50001, 700001, 9001


# A class meets in a period, or has its own hour where the school has no periods, in each of its terms.
_Hours = set[tuple[int | str, str]]


@dataclass(frozen=True, slots=True)
class _Day:
    """The periods of a grade's school day; each grade begins elsewhere in the day, so that teachers serve several."""

    core_periods: int
    electives: int
    grade_index: int

    def core(self, slot: int, cohort: int) -> int:
        return self._at((slot + cohort) % self.core_periods)

    def elective(self, slot: int) -> int:
        return self._at(self.core_periods + slot)

    def _at(self, place: int) -> int:
        return (place + 2 * self.grade_index) % (self.core_periods + self.electives) + 1


@dataclass(slots=True)
class _Teacher:
    person: Person
    busy: _Hours = field(default_factory=set)


def enroll(
    roster: Roster, person: Person, section: Section, role: str, modified: datetime, *,
    primary: bool | None = None, on: date | None = None,
) -> Enrollment:  # fmt: skip
    """Enroll a person from the class's first day, or from `on` if later. IDs follow Campus's roster IDs."""
    is_student = role == "student"
    number = roster.next("roster", _FIRST_ROSTER_ID) if is_student else roster.next("history", _FIRST_HISTORY_ID)
    begin = max(section.start, on or section.start)
    enrollment = Enrollment(
        sourced_id=f"{'s' if is_student else 't'}{number}",
        modified=modified,
        person=person.number,
        section=section.sourced_id,
        school=section.course.school,
        role=role,
        primary=primary,
        begin=min(begin, section.end - timedelta(days=1)),
        end=section.end,
    )
    roster.add_enrollment(enrollment)
    return enrollment


def place(
    roster: Roster, dice: Dice, student: Person, school: str, when: Callable[[], datetime], *,
    cohort: int | None = None, on: date | None = None,
) -> list[Enrollment]:  # fmt: skip
    """Give a student the classes of a cohort of their grade, and one elective of each slot.

    A small school may have no classes for the grade; then the student is one who waits to be scheduled.
    """
    timetable = roster.timetables.get((school, student.grade or ""))
    if timetable is None:
        return []
    core = timetable.cohorts[dice.below(len(timetable.cohorts)) if cohort is None else cohort]
    chosen = [*core, *(dice.one_of(slot) for slot in timetable.electives)]
    return [enroll(roster, student, roster.sections[key], "student", when(), on=on) for key in chosen]


class Scheduler:
    """Makes the timetable of one grade of one school after another."""

    def __init__(self, roster: Roster, dice: Dice, registrar: Registrar) -> None:
        self._roster = roster
        self._dice = dice
        self._registrar = registrar
        self._courses: dict[tuple[str, str], Course] = {}
        self._faculty: dict[tuple[str, str], list[_Teacher]] = {}
        self._teacher_of: dict[str, Person] = {}

    def schedule(self, school: Org, grade: str, students: list[Person]) -> None:
        """Make the classes of a grade, staff them and place the students."""
        level = LEVEL_OF_GRADE[grade]
        cohorts = -(-len(students) // _COHORT[level])
        core_periods = len(CORE[grade]) - sum(offer.sessions == SPRING for offer in CORE[grade])
        day = _Day(core_periods, ELECTIVE_SLOTS[level], GRADES[level].index(grade))
        timetable = self._roster.timetables[school.sourced_id, grade] = Timetable()
        for cohort in range(cohorts):
            timetable.cohorts.append(self._cohort(school, grade, cohort, day))
        for slot in range(ELECTIVE_SLOTS[level]):
            offers = ELECTIVES[level][slot::2]
            timetable.electives.append(
                [
                    self._section(school, grade, offers[number % len(offers)], day.elective(slot)).sourced_id
                    for number in range(cohorts)
                ]
            )
        dice = self._dice
        for number, student in enumerate(dice.shuffled(students)):
            place(self._roster, dice, student, school.sourced_id, dice.touched, cohort=number % cohorts)

    def send_ahead(self, student: Person) -> None:
        """Let an eighth grader take mathematics at the high school: a student of two schools."""
        roster = self._roster
        middle = next(
            n for n, org in enumerate(roster.schools["middle"]) if org.sourced_id == student.memberships[0].org
        )
        high = roster.schools["high"][middle]
        ahead = roster.timetables.get((high.sourced_id, EARLY_CLASS_GRADE))
        if ahead is None:
            return
        classes = [key for cohort in ahead.cohorts for key in cohort if roster.sections[key].title == EARLY_CLASS]
        for enrollment in roster.live_enrollments(student.number):
            if roster.sections[enrollment.section].course.subject == MATHEMATICS:
                roster.remove_enrollment(enrollment)
        student.memberships.append(Membership("student", high.sourced_id, student.memberships[0].begin))
        enroll(roster, student, roster.sections[self._dice.one_of(classes)], "student", self._dice.touched())

    def _cohort(self, school: Org, grade: str, cohort: int, day: _Day) -> list[str]:
        is_elementary = LEVEL_OF_GRADE[grade] == "elementary"
        classes, slot = [], -1
        for offer in CORE[grade]:
            slot += offer.sessions != SPRING  # a spring class meets in the period of the fall class before it
            period = None if is_elementary else day.core(slot, cohort)
            classes.append(self._section(school, grade, offer, period))
        if LEVEL_OF_GRADE[grade] != "high":
            teacher = None if is_elementary else self._teacher_of[classes[0].sourced_id]
            classes.insert(0, self._homeroom(school, grade, teacher))
        return [section.sourced_id for section in classes]

    def _homeroom(self, school: Org, grade: str, teacher: Person | None) -> Section:
        section = self._open(school, grade, homeroom(grade), None, "homeroom")
        if teacher is None:
            teacher = self._registrar.staff("teacher", school.sourced_id, STAFF_START)
        enroll(self._roster, teacher, section, "teacher", self._dice.set_up(), primary=True)
        return section

    def _section(self, school: Org, grade: str, offer: Offer, period: int | None) -> Section:
        section = self._open(school, grade, offer, period, "scheduled")
        terms = TERM_IDS if offer.sessions == WHOLE_YEAR else offer.sessions
        hours: _Hours = {(period or section.sourced_id, term) for term in terms}
        faculty = self._faculty.setdefault((school.sourced_id, offer.subject.code), [])
        full = _FULL_LOAD[LEVEL_OF_GRADE[grade]]
        teacher = _free(faculty, hours, full)
        if teacher is None:
            teacher = _Teacher(self._registrar.staff("teacher", school.sourced_id, STAFF_START))
            faculty.append(teacher)
        self._teach(teacher, section, hours, primary=True)
        if self._dice.chance(_CO_TAUGHT) and (colleague := _free(faculty, hours, full)):
            self._teach(colleague, section, hours, primary=False)
        return section

    def _teach(self, teacher: _Teacher, section: Section, hours: _Hours, *, primary: bool) -> None:
        teacher.busy |= hours
        enroll(self._roster, teacher.person, section, "teacher", self._dice.set_up(), primary=primary)
        if primary:
            self._teacher_of[section.sourced_id] = teacher.person

    def _open(self, school: Org, grade: str, offer: Offer, period: int | None, type_: str) -> Section:
        course = self._course(school, grade, offer)
        sessions = [self._roster.sessions[key] for key in offer.sessions]
        number = self._roster.next(f"section of {course.sourced_id}", 1)
        section = Section(
            sourced_id=str(self._roster.next("section", _FIRST_SECTION_ID)),
            modified=self._dice.set_up(),
            title=f"{course.title} {number}" if type_ == "homeroom" else course.title,
            code=f"{course.code}-{number}",
            type=type_,
            location=f"Room {100 + self._dice.below(180)}",
            grades=[grade],
            course=course,
            sessions=offer.sessions,
            start=min(session.start for session in sessions),
            end=max(session.end for session in sessions),
            period=period,
        )
        self._roster.sections[section.sourced_id] = section
        return section

    def _course(self, school: Org, grade: str, offer: Offer) -> Course:
        course = self._courses.get((school.sourced_id, offer.title))
        if course is None:
            number = self._roster.next("course", _FIRST_COURSE_ID)
            course = Course(
                sourced_id=str(number),
                modified=self._dice.set_up(),
                title=offer.title,
                code=f"{offer.subject.code}{number}",
                grades=[],
                subject=offer.subject,
                school=school.sourced_id,
            )
            self._courses[school.sourced_id, offer.title] = self._roster.courses[course.sourced_id] = course
        if grade not in course.grades:
            course.grades.append(grade)
        return course


def _free(faculty: list[_Teacher], hours: _Hours, full: int) -> _Teacher | None:
    """A teacher with those hours free and capacity left."""
    for teacher in faculty:
        if len(teacher.busy) + len(hours) <= full and not teacher.busy & hours:
            return teacher
    return None
