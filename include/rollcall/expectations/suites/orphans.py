"""A reference without whose target a record cannot be used: why its target is not there, each cause a rule of its own.

Who reads it has to know whom to ask: the district (nobody was sent), the record that was refused (see there), or nobody
(it left).
"""

from __future__ import annotations

from rollcall.expectations.rules import Rule, is_true
from rollcall.landing.pull import Pull

NO_PERSON = (
    "Its person did not arrive: probably no user account in the student information system (no Campus account, or "
    "outside the connection's school scope)."
)
NO_CLASS = "Its class did not arrive: probably in a school or school year outside the connection's scope."

_WHAT = {"user": "person", "class": "class"}

_COLLECTIONS = {"user": "users", "class": "classes"}


def reasons_while_unproven(pull: Pull) -> dict[str, str]:
    """What a reference to nothing says on a night on which it is not proven that all people, or classes, were received:
    the target may be among those that were not. By the rules' names.
    """
    received = {one.collection: one.proof for one in pull.collections if not one.proof.proven}
    reasons = {}
    for target, collection in _COLLECTIONS.items():
        if (proof := received.get(collection)) is not None:
            of = f"{proof.unique:,}" + (f" of {proof.expected:,}" if proof.expected is not None else "")
            reasons[f"orphan_{target}"] = (
                f"Its {_WHAT[target]} was not received. It may be among those that are missing: {of} {collection} "
                "received, and no proof that these are all."
            )
    return reasons


def orphans(column: str, target: str, field: str, not_arrived: str) -> list[Rule]:
    """Why a row is not published; of one row at most one holds. Without its target no row can be, so that no district
    can let it in; that its target was removed is nobody's mistake, and the row goes along without a reject.

    :param target: `user` or `class`, the first word of the rules' names.
    :param not_arrived: the likely cause where nobody ever sent it.
    """
    what = _WHAT[target]
    return [
        Rule(f"orphan_{target}", "critical", field, not_arrived, is_true(f"{column}_arrived"), needs_owner=True),
        Rule(
            f"{target}_refused",
            "critical",
            field,
            f"Its {what} was refused tonight and is not published yet; once that record is corrected both arrive.",
            is_true(f"{column}_is_not_refused"),
            needs_owner=True,
        ),
        Rule(
            f"{target}_removed",
            "info",
            field,
            f"The provider still sends it though its {what} was removed; it comes back when the {what} does.",
            is_true(f"{column}_is_not_removed"),
        ),
    ]
