"""Chance that falls the same way on every Python.

Of `random.Random` only the sequence of `random()` is promised to stay the same between versions; `choice`, `shuffle`
and `sample` have changed before. So everything here is made from `random()` alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from random import Random
from typing import TypeVar

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
