"""Rollcall's errors, and the redaction of other libraries' exceptions.

psycopg, COPY, msgspec, pandas, pyarrow, and Great Expectations quote values in their messages, and such a value may be
a child's name. So each stage runs inside `redact_errors`. It raises a new error, `from None`, with only the stage, the
exception's type, and the line of code (rule 8).
"""

from __future__ import annotations

import errno
import os
import re
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Fault:
    """The meaning of an error, found by its SQLSTATE or number, never by its text, which quotes values (rule 8).

    :param code: the code of the error that people see.
    :param is_transient: whether a retry can succeed without a person.
    """

    code: str
    message: str
    remedy: str
    is_transient: bool = True


ENCODING = Fault(
    "warehouse_encoding",
    "The warehouse's database cannot store every character of a name: its encoding is not UTF8.",
    "Create the database with ENCODING 'UTF8' TEMPLATE template0, name it in the connection `warehouse`, then run "
    "`rollcall db upgrade`.",
    is_transient=False,
)
_LOST = Fault(
    "warehouse_lost",
    "The connection to the warehouse was lost, or the warehouse shut down during the run.",
    "Run it again when the warehouse is back. What was committed is detected and not published twice.",
)
_TIMEOUT = Fault(
    "warehouse_timeout",
    "The warehouse canceled a statement: it waited or ran too long, or an administrator stopped it.",
    "Find a session that blocks Rollcall's schemas (pg_stat_activity), then run it again.",
)
_CONFLICT = Fault(
    "warehouse_conflict",
    "Another transaction changed the same rows at the same time.",
    "Run it again.",
)
_READ_ONLY = Fault(
    "warehouse_read_only",
    "The warehouse is read-only: it is a standby, or default_transaction_read_only is on.",
    "Point the connection `warehouse` at the primary, or ask the database's administrator to allow writes.",
)

_BY_STATE = {
    "25006": _READ_ONLY,
    "42501": Fault(
        "warehouse_permission",
        "The warehouse user lacks a privilege for this.",
        "`rollcall db upgrade` needs CREATE on the database (GRANT CREATE ON DATABASE … TO …). Nights need the role "
        "loader, and status needs ops: `rollcall db grants` prints them.",
        is_transient=False,
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
        "The warehouse has no free connections.",
        "Raise max_connections, or run fewer districts at once (an Airflow pool), then run it again.",
    ),
    "55P03": _TIMEOUT,
    "57014": _TIMEOUT,
    "25P03": _TIMEOUT,
    "25P04": _TIMEOUT,
}
#: What a disk refuses, by the operating system's error number.
_FULL = Fault(
    "disk_full",
    "The disk of the landing zone, or of this machine, is full.",
    "Free space on it, or lower `retention.landing_days`. Then run it again.",
)
_NOT_WRITABLE = Fault(
    "disk_not_writable",
    "This account cannot write to the landing zone, or to another folder of this machine.",
    "Let the account that runs Airflow write to `ROLLCALL_LANDING` and to the temporary folder. Then run it again.",
    is_transient=False,
)
_BY_NUMBER = {
    errno.ENOSPC: _FULL,
    errno.EDQUOT: _FULL,
    errno.EFBIG: _FULL,
    errno.EROFS: _NOT_WRITABLE,
    errno.EACCES: _NOT_WRITABLE,
    errno.EPERM: _NOT_WRITABLE,
}

#: A refused connection has no SQLSTATE: libpq passes on only the text, of PostgreSQL or of PgBouncer.
_NO_CONNECTIONS = re.compile(
    r"too many clients|connection slots are reserved|too many connections|no more connections allowed", re.IGNORECASE
)
#: Prefixes of SQLSTATEs that mean the session has ended.
_SESSION_LOST = ("08", "57P0")


def known_fault(error: BaseException) -> Fault | None:
    """The meaning of an error of the database or of a disk; None for other errors and unknown ones."""
    cause = getattr(error, "orig", None) or error
    if isinstance(cause, OSError):
        return _BY_NUMBER.get(cause.errno or 0)
    if not type(cause).__module__.startswith("psycopg"):
        return None
    state = getattr(cause, "sqlstate", None)
    if state is None:
        # without a SQLSTATE the error is the driver's: the server sent none
        if _NO_CONNECTIONS.search(str(cause)):
            return _BY_STATE["53300"]
        kinds = {kind.__name__ for kind in type(cause).__mro__}
        return _LOST if kinds & {"OperationalError", "InterfaceError"} else None
    if state.startswith(_SESSION_LOST):
        return _LOST
    return _BY_STATE.get(state)


class RollcallError(Exception):
    """An error that a person can act on.

    :param code: stable, in snake_case; tests, the ledger and documents refer to it.
    :param message: what was expected and what was received, without record values or secrets.
    :param remedy: what to do, and who can do it.
    :param district: the district's id, if the error is about one.
    """

    def __init__(self, code: str, message: str, *, remedy: str = "", district: str = "") -> None:
        self.code = code
        self.message = message
        self.remedy = remedy
        self.district = district
        super().__init__(f"{message} {remedy}".strip())

    def __reduce__(self) -> tuple[object, ...]:
        return _rebuild, (type(self), self.code, self.message, self.remedy, self.district)


class ActionRequired(RollcallError):
    """A retry cannot succeed: a person must first change a setting, a permission, or the machine. Never retried."""


def _rebuild(kind: type[RollcallError], code: str, message: str, remedy: str, district: str) -> RollcallError:
    error = kind.__new__(kind)
    RollcallError.__init__(error, code, message, remedy=remedy, district=district)
    return error


class InternalError(RollcallError):
    """Another library's exception, without its text."""


class GenerationMoved(RollcallError):
    """Another run published this district in the meantime; the change set must be rebuilt."""


@contextmanager
def redact_errors(stage: str, *, district: str = "") -> Iterator[None]:
    """Let `RollcallError` through. Replace every other exception with `InternalError`, without its text.

    :raises InternalError: code `<stage>_failed`, with the exception's type, PostgreSQL's SQLSTATE and table if present,
        and the line of our code.
    :raises RollcallError: `warehouse_…` for a known database error, `disk_…` for a disk's.
    """
    try:
        yield
    except RollcallError:
        raise
    except Exception as exc:  # noqa: BLE001 - the one place that handles every exception
        raise to_rollcall_error(exc, stage, district) from None


def to_rollcall_error(exc: Exception, stage: str, district: str = "") -> RollcallError:
    """Another library's exception without its text: the known meaning, else where it was raised."""
    if fault := known_fault(exc):
        kind = RollcallError if fault.is_transient else ActionRequired
        return kind(fault.code, fault.message, remedy=fault.remedy, district=district)
    return InternalError(
        f"{stage}_failed",
        f"The stage {stage} failed: {_kind(exc)} at {_place(exc)}.",
        remedy="The published roster is unchanged. Run it again. If it fails again, report this line.",
        district=district,
    )


def _kind(exc: BaseException) -> str:
    """`UndefinedTable 42P01 on roster_staging.users`: the type, with details that quote no values (the operating
    system's message, PostgreSQL's diagnostics).
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
    """The innermost line of Rollcall's code, such as `rollcall/publish/apply.py:31`."""
    ours = [frame for frame in traceback.extract_tb(exc.__traceback__) if _is_ours(frame.filename)]
    frame = ours[-1] if ours else traceback.extract_tb(exc.__traceback__)[-1]
    path = Path(frame.filename)
    return f"{'/'.join(path.parts[-3:])}:{frame.lineno}"


def _is_ours(filename: str) -> bool:
    root = Path(__file__).resolve().parent
    return Path(filename).resolve().is_relative_to(root) and Path(filename) != Path(__file__)
