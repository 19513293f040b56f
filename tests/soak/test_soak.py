"""A minute of `make soak`, with the same seed each time."""

from __future__ import annotations

import os
import re
import subprocess
import sys

import pytest

from tests.conftest import ROOT


@pytest.mark.timeout(600)
def test_nights_survive_a_minute_of_faults() -> None:
    environment = {**os.environ, "SOAK_SECONDS": "60", "SOAK_SEED": os.environ.get("SOAK_SEED") or "16"}
    command = [sys.executable, "-m", "tests.soak.soak"]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-8000:] + done.stderr[-4000:]
    found = re.search(r"^(\d+) faults survived in \d+ minutes, (\d+) publications compared", done.stdout, re.MULTILINE)
    assert found is not None
    assert int(found[1]) >= 2
    assert int(found[2]) > int(found[1])
