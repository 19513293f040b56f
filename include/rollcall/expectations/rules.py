"""What a rule is, and the expectations rules are written with.

A rule is data: its name, how grave it is, the field it is about as the district's screen calls it, the reason in words
for the person who will correct the record, and the Great Expectations expectation that decides. The suites in
`include/rollcall/expectations/suites` are lists of them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal

import great_expectations.expectations as gxe
from great_expectations.expectations.row_conditions import Column

from rollcall.landing.validated import Severity

Version = Literal["1.1", "1.2"]
VERSIONS: tuple[Version, ...] = ("1.1", "1.2")

#: The column that says which version of OneRoster a row came in; a version's difference is a row condition on it.
VERSION = "version"

#: 1.2 lets providers add tokens of their own to most vocabularies (information model, "extensible enumerations").
_EXTENSION = r"ext:[a-zA-Z0-9.\-_]+"


@dataclass(frozen=True)
class Rule:
    """One rule of one collection.

    :param name: in snake_case, unique within its collection, but for what differs by version: then once per version.
    :param severity: `critical` refuses the row, `warning` and `info` only count. A district may change it.
    :param field: OneRoster's name of the field.
    :param reason: what is wrong and what follows from it, without any value.
    :param expectation: decides row by row.
    :param guards_key: without it a row has no key in the warehouse, so that no district can lower it.
    :param needs_owner: without it a row would be published without the record it belongs to; nor can this be lowered.
    """

    name: str
    severity: Severity
    field: str
    reason: str
    expectation: gxe.Expectation
    guards_key: bool = False
    needs_owner: bool = False

    def columns(self) -> list[str]:
        """The columns the expectation looks at."""
        named = (getattr(self.expectation, name, None) for name in ("column", "column_A", "column_B"))
        condition = [VERSION] if self.expectation.row_condition else []
        return [*(column for column in named if column), *condition]


@dataclass(frozen=True)
class Share:
    """A share of the people that should not jump from one night to the next.

    It is taken on the roster as it will be, never on a delta, and held against the same share of what is published.
    It is about a whole collection and refuses no record, so no district can make it critical.

    :param fact: the boolean column that says who is fine; the published share is counted under the same name.
    :param reason: begins with a number of people.
    """

    name: str
    severity: Severity
    field: str
    reason: str
    fact: str


@dataclass(frozen=True)
class Suite:
    """The rules of one collection.

    :param records: for its records, each by itself; tombstones and what is refused already are not asked (validate).
    :param parts: the same for the rows of its other tables (a user's roles); a critical rule refuses the part.
    :param roster: per table, for boolean columns that are computed against the roster as it will be (merge).
    :param shares: for the roster as a whole (merge).
    """

    records: list[Rule]
    parts: dict[str, list[Rule]] = field(default_factory=dict)
    roster: dict[str, list[Rule]] = field(default_factory=dict)
    shares: list[Share] = field(default_factory=list)


def not_null(column: str) -> gxe.Expectation:
    """Something is said; empty text has become null before."""
    return gxe.ExpectColumnValuesToNotBeNull(column=column)


def one_of(column: str, tokens: Iterable[str]) -> gxe.Expectation:
    """One of a vocabulary's tokens, case included, or nothing, in every version."""
    return gxe.ExpectColumnValuesToBeInSet(column=column, value_set=list(tokens))


def vocabulary(
    name: str, field: str, reason: str, column: str, tokens: Mapping[Version, Iterable[str]]
) -> Iterable[Rule]:
    """A warning where a token is none of its version's, once per version; 1.2 allows a provider's own `ext:` tokens."""
    for version in VERSIONS:
        allowed = "|".join([*tokens[version], *([_EXTENSION] if version == "1.2" else [])])
        expectation = gxe.ExpectColumnValuesToMatchRegex(
            column=column,
            regex=rf"^(?:{allowed})\Z",
            row_condition=Column(VERSION) == version,
        )
        yield Rule(name, "warning", field, reason, expectation)


def provided(column: str) -> gxe.Expectation:
    """The same as :func:`present` for a column that is no text: something was sent, readable or not."""
    return is_true(f"{column}_is_said")


def parseable(column: str) -> gxe.Expectation:
    """The text could be given the column's type (a date, an instant, true or false), or there is none."""
    return is_true(f"{column}_is_readable")


def is_true(fact: str) -> gxe.Expectation:
    """A boolean column that was computed for all rows at once: far faster than an expectation that computes it."""
    return gxe.ExpectColumnValuesToBeInSet(column=fact, value_set=[True])


def in_order(first: str, second: str) -> gxe.Expectation:
    """Two dates, the second not before the first.

    The same day is in order: OneRoster's end dates are exclusive, but providers that read them as inclusive send what
    lasts one day so.
    """
    return gxe.ExpectColumnPairValuesAToBeGreaterThanB(
        column_A=second, column_B=first, or_equal=True, ignore_row_if="either_value_is_missing"
    )
