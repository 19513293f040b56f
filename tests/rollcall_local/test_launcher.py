"""A launcher's exit code says how it ended, and what it started is stopped before it is there."""

from __future__ import annotations

import signal
import subprocess
import sys

import pytest

from rollcall.errors import RollcallError
from rollcall_local import processes
from rollcall_local.airflow_env import PROJECT

_WAITING = (
    "import sys, time\nfrom rollcall_local import processes\n"
    "def action():\n  try:\n    print('waiting', flush=True)\n    time.sleep(600)\n"
    "  finally:\n    print('stopped', flush=True)\n"
    "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)\n"
    "sys.exit(processes.run(action))\n"
)


@pytest.mark.parametrize(
    ("number", "code"),
    [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)],
    ids=lambda value: str(value),
)
def test_a_signal_stops_everything_first(number: signal.Signals, code: int) -> None:
    command = [sys.executable, "-c", _WAITING]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=PROJECT) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "waiting\n"
        process.send_signal(number)
        assert process.stdout.read() == "stopped\n"
        assert process.wait() == code


def test_an_error_is_shown_with_its_remedy(capsys: pytest.CaptureFixture[str]) -> None:
    def action() -> int:
        raise RollcallError("broken", "It is broken.", remedy="Fix it.")

    handlers = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGHUP)}
    try:
        assert processes.run(action) == 1
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
    assert capsys.readouterr().err == "\nIt is broken.\nFix it.\n"
