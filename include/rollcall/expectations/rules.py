"""Rules, and the expectations they are written with.

A rule is data: its name, its severity, the field as the district's screen names it, the reason for the person who will
correct the record, and the Great Expectations expectation that decides. The suites in
`include/rollcall/expectations/suites` are lists of rules.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import great_expectations.expectations as gxe
from great_expectations.expectations.row_conditions import Column

from rollcall.landing.validated import Severity
from rollcall.model.vocabularies import VERSIONS, Version

#: The column with the OneRoster version of a row. Rules that differ by version have a row condition on it.
VERSION_COLUMN = "version"

#: In 1.2, providers may add tokens of their own to most vocabularies (information model, "extensible enumerations").
_EXTENSION = r"ext:[a-zA-Z0-9.\-_]+"


@dataclass(frozen=True)
class Rule:
    """One rule of one collection.

    :param name: in snake_case, unique within its collection; a rule that differs by version is listed once per version.
    :param severity: `critical` rejects the row; `warning` and `info` only count. A district may change it.
    :param field: OneRoster's name for the field.
    :param reason: what is wrong and what follows, without any value.
    :param expectation: decides row by row.
    :param guards_key: the row's key depends on it, so no district can lower it.
    :param needs_owner: the record that the row belongs to depends on it, so no district can lower it.
    :param usual: values of the column that most districts send, see `rollcall.expectations.usual`.
    """

    name: str
    severity: Severity
    field: str
    reason: str
    expectation: gxe.Expectation
    guards_key: bool = False
    needs_owner: bool = False
    usual: tuple[str, ...] = ()

    def columns(self) -> list[str]:
        """The columns the expectation reads."""
        named = (getattr(self.expectation, name, None) for name in ("column", "column_A", "column_B"))
        condition = [VERSION_COLUMN] if self.expectation.row_condition else []
        return [*(column for column in named if column), *condition]


@dataclass(frozen=True)
class Share:
    """A share of people that should not jump from one night to the next.

    It is measured on the roster as it will be, never on a delta, and compared with the published share. It concerns a
    whole collection and rejects no record, so no district can make it critical.

    :param fact: the boolean column that is true for people without the problem; also the name of the published share.
    :param reason: shown after a number of people.
    """

    name: str
    severity: Severity
    field: str
    reason: str
    fact: str


@dataclass(frozen=True)
class Suite:
    """The rules of one collection.

    :param records: about single records; tombstones and rejected records are not judged (validate).
    :param parts: about single rows of its other tables (a user's roles); a critical rule rejects the part.
    :param roster: per table, about boolean columns computed against the roster as it will be (changes).
    :param shares: about the roster as a whole (changes).
    """

    records: list[Rule]
    parts: dict[str, list[Rule]] = field(default_factory=dict)
    roster: dict[str, list[Rule]] = field(default_factory=dict)
    shares: list[Share] = field(default_factory=list)


def not_null(column: str) -> gxe.Expectation:
    """A text column has a value; empty text has already become null."""
    return gxe.ExpectColumnValuesToNotBeNull(column=column)


def one_of(column: str, tokens: Iterable[str]) -> gxe.Expectation:
    """The column is null or one of a vocabulary's tokens, in the same case."""
    return gxe.ExpectColumnValuesToBeInSet(column=column, value_set=list(tokens))


def vocabulary(
    name: str, field: str, reason: str, column: str, tokens: Mapping[Version, Iterable[str]]
) -> Iterable[Rule]:
    """Warnings about tokens outside the vocabulary, one rule per version. 1.2 allows a provider's own `ext:` tokens."""
    for version in VERSIONS:
        allowed = "|".join([*tokens[version], *([_EXTENSION] if version == "1.2" else [])])
        expectation = gxe.ExpectColumnValuesToMatchRegex(
            column=column,
            regex=rf"^(?:{allowed})\Z",
            row_condition=Column(VERSION_COLUMN) == version,
        )
        yield Rule(name, "warning", field, reason, expectation, usual=tuple(tokens[version]))


def provided(column: str) -> gxe.Expectation:
    """As `not_null`, for a column of another type than text: a value was sent, parseable or not."""
    return is_true(f"{column}_is_provided")


def parseable(column: str) -> gxe.Expectation:
    """The value could be converted to the column's type (date, timestamp, or boolean), or none was sent."""
    return is_true(f"{column}_is_parseable")


def is_true(fact: str) -> gxe.Expectation:
    """A boolean column is true. It is computed for all rows at once, far faster than an expectation would."""
    return gxe.ExpectColumnValuesToBeInSet(column=fact, value_set=[True])


def in_order(first: str, second: str) -> gxe.Expectation:
    """The second date is not before the first.

    The same day is valid: OneRoster's end dates are exclusive, but providers that treat them as inclusive send one-day
    ranges like that.
    """
    return gxe.ExpectColumnPairValuesAToBeGreaterThanB(
        column_A=second, column_B=first, or_equal=True, ignore_row_if="either_value_is_missing"
    )
