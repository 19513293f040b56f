"""Imports what a night's tasks need, once for all tasks.

`config/airflow_local_settings.py` does this in Airflow's scheduler (LocalExecutor) and in Celery's workers, before they
fork a process per task. Otherwise its imports cost a task of a small district more processor time than its work.

Code that was replaced in the meantime, as by an editor or `git pull`, is imported again: a forked process compares the
files with those that were imported. So a task never mixes two versions.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path

import great_expectations  # noqa: F401
import pyarrow.acero
import pyarrow.dataset  # noqa: F401
import sqlalchemy.dialects.postgresql.psycopg  # noqa: F401

import rollcall.holds.decisions
import rollcall.orchestration.required_actions
import rollcall.orchestration.tasks
import rollcall.validate.validation  # noqa: F401
from rollcall.expectations.usual import ask_about_usual_values


def prepare() -> None:
    """Prepare this process for forking tasks. Each of them first checks the files, which takes 0.4 ms."""
    ask_about_usual_values()
    imported = _files()
    os.register_at_fork(after_in_child=lambda: _forget_replaced(imported))


def _files() -> dict[str, int]:
    """The file of each imported module of the package, and when it was last written, in nanoseconds."""
    files = [file for name in _modules() if (file := getattr(sys.modules[name], "__file__", None))]
    return {file: _written(file) for file in files}


def _forget_replaced(imported: Mapping[str, int]) -> None:
    """Forget all modules of the package if one was replaced. The next import reads the files again."""
    if all(_written(file) == written for file, written in imported.items()):
        return
    for name in _modules():
        del sys.modules[name]


def _modules() -> list[str]:
    return [name for name in sys.modules if name == "rollcall" or name.startswith("rollcall.")]


def _written(file: str) -> int:
    try:
        return Path(file).stat().st_mtime_ns
    except OSError:
        return 0
