"""The names of a district's people as they are searched: without accents, in any order, and with typing mistakes.

The comparison is done here and not in SQL: what `lower` and `ILIKE` do with `İ`, `Ł`, or `ß` depends on the database's
locale, and in the locale C they change ASCII letters only. 100,000 people take about half a second.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any

import pyarrow as pa
import sqlalchemy as sa

from rollcall.warehouse.bulk import copy_out
from rollcall.warehouse.models import staging

#: The nearest people that are offered.
MAX_NEAR = 5

#: How similar two words must be, in percent, to be one word with a typing mistake; and the mean of all words.
_SIMILAR_WORD = 60
_SIMILAR_NAME = 74

_VALUES = ("email", "username", "identifier")
_SCHEMA = pa.schema([(name, pa.string()) for name in ("sourced_id", "is_live", "name", *_VALUES)])

#: Not part of a word: O'Brien is `obrien`. What joins two words separates them: Smith-Jones is `smith jones`.
_PUNCTUATION = str.maketrans({**dict.fromkeys("'’ʼ`´.\"", None), **dict.fromkeys("-_/,()\u2010\u2011\u2013", " ")})


def fold(text: str) -> str:
    """A name in lowercase ASCII letters: `Zoë Novák` and `ZOE NOVAK` are equal, as are Straße and Strasse."""
    letters = text.lower() if text.isascii() else " ".join(map(_letters, text.split()))
    return " ".join(letters.translate(_PUNCTUATION).split())


@lru_cache(maxsize=65_536)
def _letters(word: str) -> str:
    from anyascii import anyascii  # tables are read for those who need them

    written: str = anyascii(unicodedata.normalize("NFC", word.casefold()))
    return written.lower()


@dataclass(frozen=True)
class NearPerson:
    """A person whose name, ID, email or number is nearly what was searched.

    :param similarity: in percent.
    """

    sourced_id: str
    similarity: int


class Directory:
    """Everyone in a district's roster, including removed people. Read when it is first needed, and once.

    :param connection: in a transaction.
    """

    def __init__(self, connection: sa.Connection, district: str) -> None:
        self._connection = connection
        self._district = district

    @cached_property
    def _people(self) -> pa.Table:
        users = f'"{staging["users"].schema}".users'
        query = (
            "SELECT sourced_id, _removed_at IS NULL, concat_ws(' ', family_name, given_name, middle_name,"
            f" preferred_last_name, preferred_first_name), email, username, identifier FROM {users}"
            " WHERE district_id = %(district)s"
        )
        return copy_out(self._connection, query, {"district": self._district}, _SCHEMA)

    @cached_property
    def _ids(self) -> list[str]:
        return self._column("sourced_id")

    @cached_property
    def _is_live(self) -> list[bool]:
        return [value == "t" for value in self._column("is_live")]

    @cached_property
    def _names(self) -> list[str]:
        return [fold(name or "") for name in self._column("name")]

    @cached_property
    def _values(self) -> list[list[str | None]]:
        return [self._column(name) for name in _VALUES]

    @cached_property
    def _words(self) -> list[str]:
        return sorted({word for name in self._names for word in name.split()})

    def _column(self, name: str) -> list[Any]:
        values: list[Any] = self._people.column(name).to_pylist()
        return values

    def with_value(self, who: str) -> list[str]:
        """The IDs of people with this email, username or number; case and spaces around it do not count."""
        wanted = who.strip().casefold()
        return [
            self._ids[place]
            for column in self._values
            for place, value in enumerate(column)
            if value and value.strip().casefold() == wanted
        ]

    def with_name(self, who: str) -> list[str]:
        """The IDs of people with every word in their name, in any order, live ones first.

        If the words are whole words of some names, only these match. Otherwise parts of names match.
        """
        words = fold(who).split()
        if not words:
            return []
        found = [place for place, name in enumerate(self._names) if all(word in name for word in words)]
        whole = [place for place in found if set(words) <= set(self._names[place].split())]
        return [self._ids[place] for place in self._in_order(whole or found)]

    def near(self, who: str, usernames: Iterable[tuple[str, str]]) -> list[NearPerson]:
        """The people that are probably meant, the most similar first.

        :param usernames: the ID of a person and a username of the person's accounts.
        """
        best: dict[int, float] = {}
        for place, score in (*self._near_names(who), *self._near_values(who, usernames)):
            best[place] = max(score, best.get(place, 0))
        ordered = sorted(best, key=lambda place: (-round(best[place]), not self._is_live[place], self._names[place]))
        return [NearPerson(self._ids[place], round(best[place])) for place in ordered[:MAX_NEAR]]

    def _near_names(self, who: str) -> Iterator[tuple[int, float]]:
        from rapidfuzz import fuzz, process

        words = fold(who).split()
        if not words or any(any(letter.isdigit() for letter in word) for word in words):
            return
        similar: list[dict[str, float]] = [
            {
                found: score
                for found, score, _ in process.extract(
                    word, self._words, scorer=fuzz.ratio, score_cutoff=_SIMILAR_WORD, limit=None
                )
            }
            for word in words
        ]
        known = set().union(*similar)
        for place, name in enumerate(self._names):
            parts = known.intersection(name.split())
            if parts:
                scores = [max((scores.get(part, 0) for part in parts), default=0) for scores in similar]
                mean = sum(scores) / len(scores)
                if min(scores) and mean >= _SIMILAR_NAME:
                    yield place, mean

    def _near_values(self, who: str, usernames: Iterable[tuple[str, str]]) -> Iterator[tuple[int, float]]:
        """People with an ID, email, username or number that differs by one character, of a long one by two.

        If there are more than can be offered, none is: numbers in a sequence are all near each other.
        """
        from rapidfuzz import process
        from rapidfuzz.distance import OSA

        wanted = who.strip().casefold()
        if len(wanted) < 4 or " " in wanted:
            return
        places = {key: place for place, key in enumerate(self._ids)}
        pairs = [(key.casefold(), place) for key, place in places.items()]
        pairs += [(value.casefold(), place) for column in self._values for place, value in enumerate(column) if value]
        pairs += [(value.casefold(), places[key]) for key, value in usernames if key in places]
        values = [value for value, _ in pairs]
        most = 2 if len(wanted) >= 10 else 1
        found = process.extract(wanted, values, scorer=OSA.distance, score_cutoff=most, limit=None)
        if len({pairs[number][1] for _, _, number in found}) <= MAX_NEAR:
            for value, distance, number in found:
                yield pairs[number][1], 100 * (1 - distance / max(len(value), len(wanted)))

    def _in_order(self, places: Sequence[int]) -> list[int]:
        return sorted(places, key=lambda place: (not self._is_live[place], self._names[place], self._ids[place]))
