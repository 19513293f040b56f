"""What Rollcall raises, and the edge at which other libraries' exceptions lose the values they quote.

psycopg, COPY, msgspec, pandas, pyarrow and Great Expectations put the offending value into their messages, and such
a value may be a child's name. So every stage runs inside :func:`redact_errors`, which raises anew, `from None`, with
the stage, the kind of the exception and the place in the code, and nothing else (rule 8).
"""

from __future__ import annotations

import os
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

# What a warehouse's refusal means, in words: by its SQLSTATE, never by its text, which quotes values (rule 8).


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


class RollcallError(Exception):
    """Something a person can act on.

    :param code: stable, in snake_case; tests, the ledger and documents refer to it.
    :param message: what was expected and what came, without any value of a record or secret.
    :param remedy: what to do, and who can do it.
    :param district: the district's id, where the error is about one.
    """

    def __init__(self, code: str, message: str, *, remedy: str = "", district: str = "") -> None:
        self.code = code
        self.message = message
        self.remedy = remedy
        self.district = district
        super().__init__(f"{message} {remedy}".strip())

    def __reduce__(self) -> tuple[object, ...]:
        return _rebuilt, (type(self), self.code, self.message, self.remedy, self.district)


class ActionRequired(RollcallError):
    """Trying again changes nothing: somebody has to mend a setting, a permission or the machine first."""


def _rebuilt(kind: type[RollcallError], code: str, message: str, remedy: str, district: str) -> RollcallError:
    error = kind.__new__(kind)
    RollcallError.__init__(error, code, message, remedy=remedy, district=district)
    return error


class InternalError(RollcallError):
    """Another library's exception at a stage's edge, without what it quoted."""


class GenerationMoved(RollcallError):
    """Another run published this district between merge and publish; merge, map and guard have to be done again."""


@contextmanager
def redact_errors(stage: str, *, district: str = "") -> Iterator[None]:
    """Let :class:`RollcallError` through and turn every other exception into :class:`InternalError` without its text.

    :raises InternalError: for anything that is not ours; code `<stage>_failed`, with the exception's type, PostgreSQL's
        SQLSTATE and table where it has one, and the place in our code.
    :raises RollcallError: `warehouse_…` for a refusal of the warehouse that is known, see `rollcall.errors`.
    """
    try:
        yield
    except RollcallError:
        raise
    except Exception as exc:  # noqa: BLE001 - the one place whose business is every exception
        raise to_rollcall_error(exc, stage, district) from None


def to_rollcall_error(exc: Exception, stage: str, district: str = "") -> RollcallError:
    """Another library's exception without its text: what the warehouse's refusal means, else where it came from."""
    if fault := known_fault(exc):
        kind = RollcallError if fault.can_pass else ActionRequired
        return kind(fault.code, fault.message, remedy=fault.remedy, district=district)
    return InternalError(
        f"{stage}_failed",
        f"The stage {stage} failed: {_kind(exc)} at {_place(exc)}.",
        remedy="What was published stays as it is; run it again. If it fails again, report this line.",
        district=district,
    )


def _kind(exc: BaseException) -> str:
    """`UndefinedTable 42P01 on roster_staging.users`: the type, and what has no values: the words of the operating
    system (a full disk), PostgreSQL's diagnostics.
    """
    cause = getattr(exc, "orig", None) or exc
    parts = [type(cause).__name__]
    if isinstance(cause, OSError) and cause.errno:
        parts.append(f"({os.strerror(cause.errno)})")
    if sqlstate := getattr(cause, "sqlstate", None):
        parts.append(str(sqlstate))
    diag = getattr(cause, "diag", None)
    if diag is not None and getattr(diag, "table_name", None):
        parts.append(f"on {diag.schema_name}.{diag.table_name}")
    return " ".join(parts)


def _place(exc: BaseException) -> str:
    """The innermost line of Rollcall's own code, as `include/publish/copy.py:31`."""
    ours = [frame for frame in traceback.extract_tb(exc.__traceback__) if _is_ours(frame.filename)]
    frame = ours[-1] if ours else traceback.extract_tb(exc.__traceback__)[-1]
    path = Path(frame.filename)
    return f"{'/'.join(path.parts[-3:])}:{frame.lineno}"


def _is_ours(filename: str) -> bool:
    root = Path(__file__).resolve().parent
    return Path(filename).resolve().is_relative_to(root) and Path(filename) != Path(__file__)
