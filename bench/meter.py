"""Runs a command and says, in one more line of JSON, how much memory and processor time it and all it started took.

The one who starts a process has to be small to learn that: what it has in memory itself counts as the other's
(`ru_maxrss` on Linux), and the bench has a lot.
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
    took = {"peak_mb": used.ru_maxrss / per_mb, "cpu": used.ru_utime + used.ru_stime}
    sys.stdout.write(json.dumps(took) + "\n")
    return os.waitstatus_to_exitcode(status)


if __name__ == "__main__":
    sys.exit(main())
