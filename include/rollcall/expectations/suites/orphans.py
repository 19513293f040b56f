"""References to a record that is required but missing. Each cause is a rule of its own.

The cause tells the reader what to do: ask the district (the record was never sent), correct the rejected record, or do
nothing (the record was removed).
"""

from __future__ import annotations

from rollcall.expectations.rules import Rule, is_true
from rollcall.landing.pull import Pull

NO_PERSON = (
    "Its person was not received. The person probably has no user account in the student information system (no Campus "
    "account), or is outside the connection's school scope."
)
NO_CLASS = "Its class was not received. It is probably in a school or school year outside the connection's scope."

_LABELS = {"user": "person", "class": "class"}

_COLLECTIONS = {"user": "users", "class": "classes"}


def reasons_while_unproven(pull: Pull) -> dict[str, str]:
    """The reasons, by rule name, on a night without proof that all people or classes were received.

    The missing target may be among the records that were not received.
    """
    received = {one.collection: one.proof for one in pull.collections if not one.proof.proven}
    reasons = {}
    for target, collection in _COLLECTIONS.items():
        if (proof := received.get(collection)) is not None:
            count = f"{proof.unique:,}" + (f" of {proof.expected:,}" if proof.expected is not None else "")
            reasons[f"orphan_{target}"] = (
                f"Its {_LABELS[target]} was not received. {count} {collection} were received, and nothing proves that "
                "these are all."
            )
    return reasons


def orphans(column: str, target: str, field: str, not_arrived: str) -> list[Rule]:
    """Rules about one required reference; a row breaks at most one of them.

    No district can lower the first two, because no row exists without its target. If the target was removed, the row is
    removed with it and is no reject.

    :param target: `user` or `class`, used in the rules' names.
    :param not_arrived: the likely cause if the target was never received.
    """
    label = _LABELS[target]
    return [
        Rule(f"orphan_{target}", "critical", field, not_arrived, is_true(f"{column}_arrived"), needs_owner=True),
        Rule(
            f"{target}_refused",
            "critical",
            field,
            f"Its {label} was rejected tonight and is not published yet. Correct that record; then both are published.",
            is_true(f"{column}_is_not_refused"),
            needs_owner=True,
        ),
        Rule(
            f"{target}_removed",
            "info",
            field,
            f"Its {label} was removed, but the provider still sends this record. It returns when the {label} returns.",
            is_true(f"{column}_is_not_removed"),
        ),
    ]
