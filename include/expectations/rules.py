"""What a rule is, and the expectations rules are written with.

A rule is data: its name, how grave it is, the field it is about as the district's screen calls it, the reason in words
for the person who will correct the record, and the Great Expectations expectation that decides. The suites in
`include/validate/suites` are lists of them.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Literal

import great_expectations.expectations as gxe

from include.contracts import Severity

Version = Literal["1.1", "1.2"]

#: 1.2 lets providers add tokens of their own to most vocabularies (information model, "extensible enumerations").
_EXTENSION = r"ext:[a-zA-Z0-9.\-_]+"


@dataclass(frozen=True)
class Rule:
    """One rule of one collection.

    :param name: in snake_case, unique within its collection; tests, findings and documents refer to it.
    :param severity: `critical` refuses the row, `warning` and `info` only count.
    :param field: OneRoster's name of the field.
    :param reason: what is wrong and what follows from it, without any value.
    :param expectation: decides row by row; it sees the columns :func:`include.validate.frame.frame` makes.
    """

    name: str
    severity: Severity
    field: str
    reason: str
    expectation: gxe.Expectation

    def columns(self) -> list[str]:
        """The columns the expectation looks at."""
        named = (getattr(self.expectation, name, None) for name in ("column", "column_A", "column_B"))
        return [column for column in named if column]


@dataclass(frozen=True)
class Suite:
    """The rules of one collection.

    :param records: for its records; tombstones and what is refused already are not asked.
    :param parts: for the rows of its other tables (a user's roles); a critical rule refuses the part, not its record.
    """

    records: list[Rule]
    parts: dict[str, list[Rule]] = field(default_factory=dict)


def present(column: str) -> gxe.Expectation:
    """Something is said; empty text has become null before."""
    return gxe.ExpectColumnValuesToNotBeNull(column=column)


def one_of(column: str, tokens: Iterable[str], version: Version | None = None) -> gxe.Expectation:
    """One of a vocabulary's tokens, case included, or nothing; in 1.2 also a provider's own `ext:` token.

    :param version: leave it out for a vocabulary that neither version lets a provider extend.
    """
    if version == "1.2":
        return gxe.ExpectColumnValuesToMatchRegex(column=column, regex=f"^(?:{'|'.join(tokens)}|{_EXTENSION})$")
    return gxe.ExpectColumnValuesToBeInSet(column=column, value_set=list(tokens))


def said(column: str) -> gxe.Expectation:
    """The same for a column that is no text: something was sent, readable or not."""
    return holds(f"{column}_is_said")


def readable(column: str) -> gxe.Expectation:
    """The text could be given the column's type (a date, an instant, true or false), or there is none."""
    return holds(f"{column}_is_readable")


def holds(fact: str) -> gxe.Expectation:
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
