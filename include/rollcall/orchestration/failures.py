"""The last lines of a failed task's log: what happened and what to do.

Airflow logs an exception as a traceback, with the message cut or below forty lines of code. These lines follow it, and
are all that most people need.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Protocol

from rollcall.errors import ActionRequired, RollcallError

log = logging.getLogger(__name__)


class Try(Protocol):
    """The try of an Airflow task that failed. `max_tries` counts the retries, so the last try is one more."""

    try_number: int
    max_tries: int


def explain(error: BaseException | str | None, attempt: Try) -> None:
    """Log each line as an error.

    :param error: Airflow's; a text or nothing if the task's process was killed.
    """
    log.info("::endgroup::")  # otherwise the page folds the lines away in Airflow's group "Post Execute"
    for line in failure_lines(error, attempt):
        log.error("%s", line)


def failure_lines(error: BaseException | str | None, attempt: Try) -> Iterator[str]:
    """What happened, what to do, and whether Airflow tries again."""
    if isinstance(error, RollcallError):
        happened, *more = error.message.splitlines()
        yield f"What happened: {happened}"
        yield from more
        if error.remedy:
            yield f"What to do: {error.remedy}"
    else:
        yield f"What happened: {_describe(error)}"
        yield "What to do: Read the lines above, then clear this task to run it again."
    yield f"Code: {error.code if isinstance(error, RollcallError) else 'task_failed'}. {_next_try(error, attempt)}"


def _describe(error: BaseException | str | None) -> str:
    """An exception that is not Rollcall's by its type; only Airflow's own texts hold no value of a record (rule 8)."""
    if isinstance(error, BaseException):
        name = type(error).__name__
        is_airflow = type(error).__module__.startswith("airflow.")
        return f"{name}: {str(error).splitlines()[0]}" if is_airflow and str(error) else f"{name}."
    return "The task's process ended before the task did."


def _next_try(error: BaseException | str | None, attempt: Try) -> str:
    if isinstance(error, ActionRequired):
        return "Airflow does not try again, because this needs action first."
    tries = attempt.max_tries + 1
    if attempt.try_number < tries:
        return f"Airflow tries again (try {attempt.try_number + 1} of {tries})."
    return f"This was the last of {tries} tries." if tries > 1 else "Airflow does not try again."
