"""What a warehouse's refusal means, in words: by its SQLSTATE, never by its text, which quotes values (rule 8)."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Fault:
    """A known way in which a database refuses.

    :param code: of the error a person sees.
    :param can_pass: whether trying again may help without a person.
    """

    code: str
    message: str
    remedy: str
    can_pass: bool = True


ENCODING = Fault(
    "warehouse_encoding",
    "The warehouse's database cannot store every character of a name: its encoding is not UTF8.",
    "Create the database with ENCODING 'UTF8' TEMPLATE template0, name it in the connection `warehouse`, then run "
    "`rollcall db upgrade`.",
    can_pass=False,
)
_LOST = Fault(
    "warehouse_lost",
    "The connection to the warehouse was lost, or the warehouse shut down, in the middle of the work.",
    "When the warehouse runs again, run it again: what was committed is found and not published twice.",
)
_TIMEOUT = Fault(
    "warehouse_timeout",
    "The warehouse canceled a statement: it waited or ran longer than allowed, or an administrator stopped it.",
    "Look for a session that blocks the schemas of Rollcall (pg_stat_activity), then run it again.",
)
_CONFLICT = Fault(
    "warehouse_conflict",
    "Another transaction of the warehouse changed the same rows at the same time.",
    "Run it again.",
)
_READ_ONLY = Fault(
    "warehouse_read_only",
    "The warehouse takes no writes: it is a standby, or default_transaction_read_only is on.",
    "Point the connection `warehouse` at the primary, or ask the database's administrator to allow writes.",
)

_BY_STATE = {
    "25006": _READ_ONLY,
    "42501": Fault(
        "warehouse_permission",
        "The warehouse's user lacks a right that this needs.",
        "`rollcall db upgrade` needs CREATE on the database (GRANT CREATE ON DATABASE … TO …). Everything else needs "
        "the user that ran the upgrade, or its rights on the schemas roster, roster_staging, roster_history and "
        "roster_ops.",
        can_pass=False,
    ),
    "22P05": ENCODING,
    "22021": ENCODING,
    "40001": _CONFLICT,
    "40P01": _CONFLICT,
    "53100": Fault(
        "warehouse_full",
        "The warehouse's disk is full.",
        "Free space on the database server, then run it again.",
    ),
    "53300": Fault(
        "warehouse_connections",
        "The warehouse has no connection left.",
        "Raise max_connections, or lower how many districts run at once (an Airflow pool), then run it again.",
    ),
    "55P03": _TIMEOUT,
    "57014": _TIMEOUT,
    "25P03": _TIMEOUT,
    "25P04": _TIMEOUT,
}
#: Classes of SQLSTATE, and single ones, that mean the session is gone.
_SESSION_GONE = ("08", "57P0")


def known_fault(error: BaseException) -> Fault | None:
    """What a database's error means; None for errors of anything else, and for those nobody expected."""
    cause = getattr(error, "orig", None) or error
    if not type(cause).__module__.startswith("psycopg"):
        return None
    state = getattr(cause, "sqlstate", None)
    if state is None:
        # without a state it is the driver that speaks: the server did not get to say anything
        kinds = {kind.__name__ for kind in type(cause).__mro__}
        return _LOST if kinds & {"OperationalError", "InterfaceError"} else None
    if state.startswith(_SESSION_GONE):
        return _LOST
    return _BY_STATE.get(state)
