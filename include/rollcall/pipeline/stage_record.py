"""The ledger's record of a stage: what a run waits for, the processor time it took, and why it failed."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType

import sqlalchemy as sa

from rollcall.errors import RollcallError, redact_errors
from rollcall.runtime.memory import release_memory_after
from rollcall.warehouse import ledger
from rollcall.warehouse.ops_models import runs

#: What an unfinished run waits for, by its stage. `publish` itself says which other run holds the publish lock.
_WAITS_FOR = {
    "extract": "the provider's pages",
    "validate": "its records to be judged",
    "map_roster": "what changes to be worked out",
    "publish": "the warehouse to take it",
    "report": "its summary",
}


@contextmanager
def recorded_stage(engine: sa.Engine, district: str, run_id: str, stage: str) -> Iterator[None]:
    """Record in the ledger the processor time a stage takes. Mark the run as failed when the stage fails.

    A ledger that cannot be written neither stops the stage nor hides its error.
    """
    started = time.process_time()
    waits_for = _WAITS_FOR.get(stage, stage)
    _record(engine, district, lambda connection: ledger.record_wait(connection, district, run_id, waits_for))
    try:
        with release_memory_after(), redact_errors(stage, district=district), _exit_on_sigterm():
            yield
    except BaseException as error:
        failure = error if isinstance(error, RollcallError) else _interrupted(stage, error)
        _record(engine, district, lambda connection: ledger.fail_run(connection, district, run_id, stage, failure))
        raise
    finally:
        seconds = time.process_time() - started
        _record(engine, district, lambda connection: ledger.add_cpu(connection, district, run_id, seconds))


@contextmanager
def recorded_run(engine: sa.Engine, district: str, run_id: str) -> Iterator[None]:
    """Mark a run as failed that ends outside of its stages: refused before the first one, or stopped between two.

    What a stage recorded stays.
    """
    try:
        with _exit_on_sigterm():
            yield
    except BaseException as error:
        failure = error if isinstance(error, RollcallError) else _interrupted("", error)
        is_open = runs.c.status == "running"
        _record(
            engine, district, lambda connection: ledger.fail_run(connection, district, run_id, "", failure, is_open)
        )
        raise


def _record(engine: sa.Engine, district: str, write: Callable[[sa.Connection], None]) -> None:
    with suppress(RollcallError), redact_errors("ledger", district=district), engine.begin() as connection:
        write(connection)


def _interrupted(stage: str, error: BaseException) -> RollcallError:
    """An Airflow time limit, a signal or Ctrl-C: nothing is wrong, but the run is not finished."""
    return RollcallError(
        "run_interrupted",
        f"The {f'stage {stage}' if stage else 'run'} was stopped before it finished ({type(error).__name__}).",
        remedy="The published roster did not change. Run it again.",
    )


@contextmanager
def _exit_on_sigterm() -> Iterator[None]:
    """Turn SIGTERM into an exception, so that the failure is recorded.

    Airflow's own handler runs first. It does not end the process.
    """
    before = signal.getsignal(signal.SIGTERM)
    if threading.current_thread() is not threading.main_thread() or before in (signal.SIG_IGN, None):
        yield
        return
    process = os.getpid()

    def end(number: int, frame: FrameType | None) -> None:
        if os.getpid() != process:  # a child that was forked in the meantime
            os._exit(128 + number)
        if callable(before):
            before(number, frame)
        sys.exit(128 + number)

    signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
