"""Tasks are forked from a process that has imported everything; replaced code is imported again."""

from __future__ import annotations

import subprocess
import sys

_SCRIPT = """
import os, sys
from rollcall.expectations import judge
from rollcall.orchestration import preload

if {replaced}:
    written = preload._written
    preload._written = lambda file: 1 if file.endswith("ledger.py") else written(file)
    imported = preload._files()
    preload._written = written
    preload._files = lambda: imported
preload.prepare()
if os.fork() == 0:
    known = "rollcall.orchestration.tasks" in sys.modules
    loaded = set(sys.modules)
    import rollcall.orchestration.tasks
    from rollcall.expectations import judge as now
    print(known, len(now._DECIDED) > 50, len(set(sys.modules) - loaded) > 50, flush=True)
    os._exit(0)
os.wait()
"""


def _forked(*, replaced: bool) -> list[str]:
    script = _SCRIPT.format(replaced=replaced)
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


def test_a_forked_task_has_everything_loaded_and_knows_usual_values() -> None:
    assert _forked(replaced=False) == ["True", "True", "False"]


def test_a_forked_task_reads_code_again_that_was_replaced_since_the_scheduler_started() -> None:
    assert _forked(replaced=True) == ["False", "False", "True"]
