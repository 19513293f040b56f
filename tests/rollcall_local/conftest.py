"""Folders and launchers for the tests of what starts and stops things."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from rollcall_local.airflow_env import PROJECT
from rollcall_local.postgres_install import private_folder

#: Starts a Python program that says something on standard output once it holds what it is to hold, then waits.
StartHolder = Callable[[str], subprocess.Popen[str]]


@pytest.fixture
def folder() -> Iterator[Path]:
    """An empty folder the account of PostgreSQL can reach; pytest's own are closed to it when root runs the tests."""
    made = Path(tempfile.mkdtemp(prefix="test-", dir=private_folder()))
    yield made
    shutil.rmtree(made, ignore_errors=True)


@pytest.fixture
def start_holder() -> Iterator[StartHolder]:
    holders: list[subprocess.Popen[str]] = []

    def start(program: str) -> subprocess.Popen[str]:
        waiting = f"{program}\nprint('holding', flush=True)\nimport time\ntime.sleep(600)\n"
        command = [sys.executable, "-c", waiting]
        holder = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=PROJECT, start_new_session=True)
        holders.append(holder)
        assert holder.stdout is not None
        assert holder.stdout.readline() == "holding\n"
        return holder

    yield start
    for holder in holders:
        holder.kill()
        holder.wait()


def reapers_of(pid: int) -> list[psutil.Process]:
    """The processes that would end what `pid` started."""
    return [child for child in psutil.Process(pid).children() if "rollcall_local.reaper" in child.cmdline()]


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline, "did not happen within 30 s"
        time.sleep(0.05)
