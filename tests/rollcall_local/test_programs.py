"""Programs a launcher starts are watched, and end with it however it ends; other people's programs are left alone."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from rollcall.errors import RollcallError
from rollcall_local.processes import Programs
from rollcall_local.sessions import session_members
from tests.rollcall_local.conftest import StartHolder, reapers_of, wait_until

#: A program with a child in a process group of its own, as Airflow's tasks are; both ignore being asked to end.
_STUBBORN = (
    "import os, signal, time\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
    "if os.fork() == 0: os.setpgid(0, 0)\ntime.sleep(600)"
)
_LAUNCH = (
    "import os, sys\nfrom pathlib import Path\nfrom rollcall_local.processes import Programs\n"
    "programs = Programs(Path({!r}), 'The test')\nprograms.open()\n"
    "programs.start('stubborn', [sys.executable, '-c', {!r}], env=os.environ)\n"
)


@pytest.fixture
def programs(tmp_path: Path) -> Iterator[Programs]:
    opened = Programs(tmp_path, "The test")
    opened.open()
    yield opened
    opened.stop()


def _leader(folder: Path) -> int:
    return int(json.loads((folder / "processes.json").read_text())[0]["pid"])


def test_a_program_that_died_is_named_with_the_end_of_its_log(programs: Programs) -> None:
    programs.start(
        "clerk", [sys.executable, "-c", "print('a'); print('the cause'); raise SystemExit(7)"], env=os.environ
    )
    pid = _leader(programs.folder)
    wait_until(lambda: not session_members(pid))
    with pytest.raises(RollcallError, match=r"(?s)clerk ended unexpectedly with exit code 7.*the cause") as died:
        programs.check()
    assert died.value.code == "program_died"


def test_stopping_ends_children_that_do_not_listen(programs: Programs) -> None:
    programs.start("stubborn", [sys.executable, "-c", _STUBBORN], env=os.environ)
    pid = _leader(programs.folder)
    wait_until(lambda: len(session_members(pid)) == 2)
    programs.stop()
    assert session_members(pid) == []
    assert not (programs.folder / "processes.json").exists()


def test_a_killed_launcher_takes_its_programs_along(tmp_path: Path, start_holder: StartHolder) -> None:
    launcher = start_holder(_LAUNCH.format(str(tmp_path), _STUBBORN))
    pid = _leader(tmp_path)
    wait_until(lambda: len(session_members(pid)) == 2)
    launcher.kill()
    wait_until(lambda: session_members(pid) == [])


def test_what_a_killed_launcher_and_a_killed_reaper_left_is_ended_at_the_next_start(
    tmp_path: Path, start_holder: StartHolder
) -> None:
    launcher = start_holder(_LAUNCH.format(str(tmp_path), _STUBBORN))
    pid = _leader(tmp_path)
    for reaper in reapers_of(launcher.pid):
        reaper.kill()
    launcher.kill()
    launcher.wait()
    assert session_members(pid)
    programs = Programs(tmp_path, "The test")
    programs.open()
    assert session_members(pid) == []
    programs.stop()


def test_a_number_that_now_belongs_to_another_program_is_left_alone(tmp_path: Path) -> None:
    stranger = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], start_new_session=True)
    started = psutil.Process(stranger.pid).create_time()
    ledger = [{"name": "scheduler", "pid": stranger.pid, "started": started - 60}]
    (tmp_path / "processes.json").write_text(json.dumps(ledger))
    programs = Programs(tmp_path, "The test")
    programs.open()
    assert stranger.poll() is None
    programs.stop()
    stranger.kill()
    stranger.wait()


def test_a_second_launcher_is_told_who_is_running(tmp_path: Path, start_holder: StartHolder) -> None:
    launcher = start_holder(_LAUNCH.format(str(tmp_path), _STUBBORN))
    with pytest.raises(
        RollcallError, match=f"The test is already running, started by process {launcher.pid}"
    ) as refused:
        Programs(tmp_path, "The test").open()
    assert refused.value.code == "already_running"
