"""What the soak's processes do: a command of a terminal, or one stage of a night as Airflow runs it."""

from __future__ import annotations

import json
import logging
import os
import resource
import signal
import sys
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import time_machine

from rollcall.cli import main
from rollcall.cli import sync as _preloaded  # noqa: F401 - the fork server imports what takes seconds
from rollcall.errors import RollcallError
from rollcall.oneroster.client import OneRosterClient
from rollcall.oneroster.connection import OneRosterConnection
from rollcall.orchestration import tasks
from rollcall.validate import validation as _slow  # noqa: F401
from tests.soak import clock

DISTRICT = "maple"


@dataclass(frozen=True)
class Setting:
    """What a process finds: its clock, where it prints, how large its files may be."""

    now: datetime
    log: Path
    largest_file: int | None = None


class _Hook:
    def __init__(self, conn_id: str) -> None:
        self._conn_id = conn_id

    def get_conn(self, **options: Any) -> OneRosterClient:
        return OneRosterClient(OneRosterConnection.from_environment(self._conn_id), **options)


def command(setting: Setting, *arguments: str) -> None:
    """`rollcall …`, as on a terminal."""
    _enter(setting)
    sys.argv = ["rollcall", *arguments]
    main.main()


def stage(setting: Setting, name: str, run_id: str, mode: str, pull: dict[str, Any] | None, result: Path) -> None:
    """One task of a night; writes what it returns."""
    _enter(setting)
    logging.basicConfig(level=logging.INFO)
    try:
        returned = _run(name, run_id, mode, pull)
    except RollcallError as error:  # in Airflow, a callback says it
        print(f"Error ({error.code}): {error}")
        sys.exit(1)
    result.write_text(json.dumps(returned))


def _run(name: str, run_id: str, mode: str, pull: dict[str, Any] | None) -> dict[str, Any]:
    fields = json.loads(os.environ["AIRFLOW_CONN_WAREHOUSE"])
    warehouse = SimpleNamespace(**{"password": None, **fields})
    if name == "extract":
        params = {"mode": mode, "collections": []}
        return tasks.extract(DISTRICT, run_id, "manual", warehouse, _Hook, params)
    if name == "report":
        tasks.report(DISTRICT, run_id, warehouse)
        return {}
    if name == "publish":
        return tasks.publish(DISTRICT, pull or {}, run_id, warehouse, dry_run=False)
    returned: dict[str, Any] = getattr(tasks, name)(DISTRICT, pull, run_id, warehouse)
    return returned


def _enter(setting: Setting) -> None:
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    file = os.open(setting.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    os.dup2(file, 1)
    os.dup2(file, 2)
    clock.use_in_this_process()
    if setting.largest_file is not None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (setting.largest_file, resource.RLIM_INFINITY))
    time_machine.travel(setting.now, tick=True).start()
