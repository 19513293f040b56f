"""What Rollcall raises, and the edge at which other libraries' exceptions lose the values they quote.

psycopg, COPY, msgspec, pandas, pyarrow and Great Expectations put the offending value into their messages, and such
a value may be a child's name. So every stage runs inside :func:`stage_edge`, which raises anew, `from None`, with the
stage, the kind of the exception and the place in the code, and nothing else (DESIGN, rule 8).
"""

from __future__ import annotations

import os
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from include.warehouse_faults import known_fault


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


class NeedsPerson(RollcallError):
    """Trying again changes nothing: somebody has to mend a setting, a permission or the machine first."""


def _rebuilt(kind: type[RollcallError], code: str, message: str, remedy: str, district: str) -> RollcallError:
    error = kind.__new__(kind)
    RollcallError.__init__(error, code, message, remedy=remedy, district=district)
    return error


class StageFailed(RollcallError):
    """Another library's exception at a stage's edge, without what it quoted."""


class GenerationMoved(RollcallError):
    """Another run published this district between merge and publish; merge, map and guard have to be done again."""


@contextmanager
def stage_edge(stage: str, *, district: str = "") -> Iterator[None]:
    """Let :class:`RollcallError` through and turn every other exception into :class:`StageFailed` without its text.

    :raises StageFailed: for anything that is not ours; code `<stage>_failed`, with the exception's type, PostgreSQL's
        SQLSTATE and table where it has one, and the place in our code.
    :raises RollcallError: `warehouse_…` for a refusal of the warehouse that is known, see `include.warehouse_faults`.
    """
    try:
        yield
    except RollcallError:
        raise
    except Exception as exc:  # noqa: BLE001 - the one place whose business is every exception
        raise in_words(exc, stage, district) from None


def in_words(exc: Exception, stage: str, district: str = "") -> RollcallError:
    """Another library's exception without its text: what the warehouse's refusal means, else where it came from."""
    if fault := known_fault(exc):
        kind = RollcallError if fault.can_pass else NeedsPerson
        return kind(fault.code, fault.message, remedy=fault.remedy, district=district)
    return StageFailed(
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
