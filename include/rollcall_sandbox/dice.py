"""Chance that falls the same way on every Python.

Of `random.Random` only the sequence of `random()` is promised to stay the same between versions; `choice`, `shuffle`
and `sample` have changed before. So everything here is made from `random()` alone.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from random import Random
from typing import TypeVar
from zlib import crc32

T = TypeVar("T")

_SCHOOL_YEAR_SET_UP = datetime(2026, 8, 1, 6, tzinfo=UTC)


class Dice:
    """Chance seeded by whatever names the occasion, such as the district, its seed and the night."""

    def __init__(self, *seed: object) -> None:
        self._random = Random("/".join(str(part) for part in seed)).random

    def below(self, bound: int) -> int:
        """A whole number from 0 up to, not including, `bound`."""
        return int(self._random() * bound)

    def chance(self, share: float) -> bool:
        """True in `share` of all cases."""
        return self._random() < share

    def one_of(self, choices: Sequence[T]) -> T:
        """One of the choices, each as likely as the others."""
        return choices[self.below(len(choices))]

    def shuffled(self, items: Sequence[T]) -> list[T]:
        """The same items in another order."""
        return self.some_of(items, len(items))

    def some_of(self, items: Sequence[T], count: int) -> list[T]:
        """`count` different items, or all of them where there are fewer, in chance order."""
        left = list(items)
        picked = []
        for _ in range(min(count, len(left))):
            place = self.below(len(left))
            left[place], left[-1] = left[-1], left[place]
            picked.append(left.pop())
        return picked

    def hexadecimal(self, digits: int) -> str:
        """So many lower-case hexadecimal digits."""
        return "".join(f"{self.below(65536):04x}" for _ in range((digits + 3) // 4))[:digits]

    def guid(self) -> str:
        """A GUID as Infinite Campus writes them: upper case, with hyphens."""
        digits = self.hexadecimal(32).upper()
        return "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]))

    def set_up(self) -> datetime:
        """An instant in the first three weeks of August 2026, when the district set its year up."""
        return _SCHOOL_YEAR_SET_UP + timedelta(seconds=self.below(20 * 86400))

    def touched(self) -> datetime:
        """When a person's record was last touched: mostly in August, for a fourth of them up to mid-November 2026."""
        days = 105 if self.chance(0.25) else 20
        return _SCHOOL_YEAR_SET_UP + timedelta(seconds=self.below(days * 86400))


# Names for people who do not exist, of the many shapes that names have: apostrophes, accents, spaces, hyphens and two
# surnames, because these are what breaks a username rule or a match.

GIVEN = (
    "Aaliyah", "Aaron", "Abigail", "Adrian", "Aisha", "Alejandra", "Alexander", "Amara", "Amelia", "Ana María",
    "Andre", "Angela", "Anthony", "Aria", "Asher", "Ava", "Benjamin", "Bianca", "Brandon", "Caleb", "Camila", "Carlos",
    "Caroline", "Chloë", "Christopher", "Claire", "Daniel", "Daria", "David", "DeShawn", "Diego", "Dominic", "Eleanor",
    "Elena", "Elijah", "Elizabeth", "Emeka", "Emily", "Emma", "Ethan", "Eva", "Ezra", "Fatima", "Felix", "Fiona",
    "Gabriel", "Gianna", "Grace", "Hana", "Hannah", "Harper", "Henry", "Hiroshi", "Ibrahim", "Imani", "Isaac",
    "Isabella", "Ivan", "Jack", "Jacob", "Jada", "James", "Jasmine", "Javier", "Jayden", "Jean-Luc", "Jin",
    "John Paul", "Jordan", "José", "Joshua", "Juan Carlos", "Julia", "Kai", "Karim", "Katherine", "Keisha", "Kenji",
    "Kiara", "Lakshmi", "Laura", "Layla", "Leah", "Leo", "Liam", "Lily", "Logan", "Lucas", "Lucía", "Luna", "Madison",
    "Malik", "Marcus", "Maria", "Mary Ann", "Mason", "Mateo", "Maya", "Mia", "Michael", "Minh", "Miriam", "Mohammed",
    "Naomi", "Natalie", "Nathan", "Nia", "Noah", "Nora", "Oliver", "Olivia", "Omar", "Owen", "Paige", "Parker",
    "Penelope", "Priya", "Quinn", "Rachel", "Rafael", "Ravi", "Rebecca", "Renée", "Riley", "Rosa", "Ruth", "Ryan",
    "Samantha", "Samuel", "Sara", "Sebastián", "Simone", "Sofía", "Sophia", "Stella", "Tariq", "Theo", "Thomas",
    "Tyler", "Valentina", "Victoria", "Vikram", "Violet", "William", "Wyatt", "Xavier", "Ximena", "Yara", "Yusuf",
    "Zachary", "Zara", "Zoë",
)  # fmt: skip

FAMILY = (
    "Adams", "Ahmed", "Alvarez", "Anderson", "Bailey", "Baker", "Begay", "Bell", "Bennett", "Brooks", "Brown", "Bui",
    "Campbell", "Carter", "Castillo", "Chen", "Clark", "Cohen", "Collins", "Cooper", "Cruz", "D'Angelo", "Davis",
    "de la Cruz", "Diaz", "Dubois", "Edwards", "Evans", "Fernández", "Fischer", "Flores", "Foster", "Franklin",
    "Garcia", "García Márquez", "Gomez", "González", "Gray", "Green", "Gupta", "Gutiérrez", "Hall", "Hansen", "Harris",
    "Hassan", "Hernandez", "Hill", "Howard", "Huang", "Hughes", "Ibarra", "Ivanov", "Jackson", "James", "Jenkins",
    "Jensen", "Johnson", "Jones", "Kaur", "Kelly", "Khan", "Kim", "King", "Kowalski", "Le", "Lee", "Lewis", "Li",
    "Long", "Lopez", "López Rivera", "Martin", "Martinez", "McDonald", "Mendoza", "Miller", "Mitchell", "Mohamed",
    "Moore", "Morales", "Morgan", "Morris", "Müller", "Murphy", "Nakamura", "Nelson", "Nguyen", "Novák", "Núñez",
    "O'Brien", "O'Connor", "O'Neil", "Okafor", "Ortiz", "Owens", "Park", "Parker", "Patel", "Pérez", "Perry",
    "Peterson", "Phillips", "Powell", "Price", "Ramirez", "Reed", "Reyes", "Reynolds", "Richardson", "Rivera",
    "Roberts", "Robinson", "Rodriguez", "Rogers", "Ross", "Ruiz", "Russell", "Sanchez", "Sanders", "Santos", "Sato",
    "Schneider", "Scott", "Shah", "Silva", "Singh", "Smith", "Smith-Jones", "St. Clair", "Stewart", "Sullivan",
    "Taylor", "Thomas", "Thompson", "Torres", "Tran", "Turner", "van den Berg", "Vargas", "Walker", "Ward",
    "Washington", "Watson", "White", "Williams", "Wilson", "Wong", "Wood", "Wright", "Yang", "Young", "Yusuf", "Zhang",
    "Zimmerman",
)  # fmt: skip

SCHOOLS = (
    "Lincoln", "Riverside", "Oak Grove", "Washington", "Sunset", "Cedar Hill", "Franklin", "Prairie View", "Jefferson",
    "Lakeside", "Roosevelt", "Meadowbrook", "Harriet Tubman", "Pine Ridge", "Cesar Chavez", "Willow Creek", "Madison",
    "Stone Bridge", "Rosa Parks", "North Fork", "Eastgate", "Sequoyah", "Highland", "Clearwater",
)  # fmt: skip

BIRTHPLACES = (
    ("Springfield", "IL"), ("Minneapolis", "MN"), ("Des Moines", "IA"), ("San Antonio", "TX"), ("Fresno", "CA"),
    ("Columbus", "OH"), ("Tulsa", "OK"), ("Raleigh", "NC"), ("Omaha", "NE"), ("Lexington", "KY"),
)  # fmt: skip


def plain(name: str) -> str:
    """A name as e-mail systems write it: lower-case ASCII letters only, so `O'Neil` is `oneil` and `José` is `jose`."""
    letters = unicodedata.normalize("NFKD", name).lower()
    return "".join(letter for letter in letters if "a" <= letter <= "z")


# sourcedIds as they may be and as some are: with `/` and `@`, a space, letters outside ASCII, 255 characters long.
#
# OneRoster's CSV binding allows letters, digits and `. - _ / @`, less than 256 characters; providers send more than
# that.

LONGEST = 255


def odd(key: str) -> str:
    """The odd spelling of a key, one of six by the key itself, so that references to it are spelled alike."""
    match crc32(key.encode()) % 6:
        case 0:
            return f"{key}/a"
        case 1:
            return f"{key}@campus"
        case 2:
            return f"{key} b"
        case 3:
            return f"{key}-ñ学"
        case 4:
            return key.ljust(LONGEST, ".")
    return key
