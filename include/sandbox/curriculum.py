"""What is taught: per level the subjects, course titles and how long a course lasts."""

from __future__ import annotations

from typing import NamedTuple

from include.sandbox.roster import Subject
from include.sandbox.school_year import SCHOOL_YEAR_ID, TERM_IDS

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
