"""Runs the tests of `test_fuzz.py` with new examples again and again, for `FUZZ_SECONDS` (default 600).

Prints how many inputs were tried. Ends with pytest's output and exit code 1 at the first failure.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from pathlib import Path

#: Per property and round: a round takes about a minute on two cores.
_EXAMPLES = 2000
_TESTS = Path(__file__).with_name("test_fuzz.py")


def main() -> int:
    ends = time.monotonic() + float(os.environ.get("FUZZ_SECONDS", "600"))
    tried = rounds = 0
    while time.monotonic() < ends:
        done = subprocess.run(
            [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--timeout=1800", str(_TESTS)],
            env={**os.environ, "ROLLCALL_EXAMPLES": str(_EXAMPLES)},
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            print(done.stdout[-20_000:], done.stderr[-2000:])
            return 1
        rounds += 1
        passed = re.search(r"(\d+) passed", done.stdout)
        tried += int(passed[1]) * _EXAMPLES if passed else 0
        print(f"round {rounds}: {tried:,} inputs tried, nothing found", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
