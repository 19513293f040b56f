"""A full disk is an error in words, also outside a run."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
def test_a_full_disk_under_the_output_is_no_traceback():
    command = [sys.executable, "-m", "rollcall.cli.main", "districts", "list"]
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True)
    assert done.returncode == 1
    assert "Error (disk_full): " in done.stderr
    assert "Traceback" not in done.stderr
