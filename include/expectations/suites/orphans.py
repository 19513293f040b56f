"""A reference without whose target a record cannot be used: why its target is not there, each cause a rule of its own.

Who reads the reject has to know whom to ask: the district (nobody was sent), the record that was refused (see there),
or nobody (it left).
"""

from __future__ import annotations

from include.expectations.rules import Rule, holds

NO_PERSON = (
    "Its person did not arrive: probably no user account in the student information system (no Campus account, or "
    "outside the connection's school scope)."
)
NO_CLASS = "Its class did not arrive: probably in a school or school year outside the connection's scope."

_WHAT = {"user": "person", "class": "class"}


def orphans(column: str, target: str, field: str, not_arrived: str) -> list[Rule]:
    """Critical rules; of one row at most one is broken.

    :param target: `user` or `class`, the first word of the rules' names.
    :param not_arrived: the likely cause where nobody ever sent it.
    """
    what = _WHAT[target]
    return [
        Rule(f"orphan_{target}", "critical", field, not_arrived, holds(f"{column}_arrived")),
        Rule(
            f"{target}_refused",
            "critical",
            field,
            f"Its {what} was refused tonight and is not published yet; once that record is corrected both arrive.",
            holds(f"{column}_is_not_refused"),
        ),
        Rule(
            f"{target}_removed",
            "critical",
            field,
            f"Its {what} was removed; it comes back when the {what} does.",
            holds(f"{column}_is_not_removed"),
        ),
    ]
