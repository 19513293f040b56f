"""Runs a command, then prints a line of JSON with the memory and CPU time of the command and its children.

The measuring process must be small: on Linux, `ru_maxrss` of a child includes its parent's memory at the fork, and the
benchmark uses a lot.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys


def main() -> int:
    process = subprocess.Popen(sys.argv[1:])
    _, status, used = os.wait4(process.pid, 0)
    per_mb = 1024 if sys.platform == "linux" else 1024**2
    result = {"peak_mb": used.ru_maxrss / per_mb, "cpu": used.ru_utime + used.ru_stime}
    sys.stdout.write(json.dumps(result) + "\n")
    return os.waitstatus_to_exitcode(status)


if __name__ == "__main__":
    sys.exit(main())
