"""How a launcher ends: by itself, by Ctrl-C, by a signal or a closed window, and always with everything stopped."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from types import FrameType

from include.errors import RollcallError

#: What a shell reports for a program that Ctrl-C ended.
INTERRUPTED = 130


def run(action: Callable[[], int]) -> int:
    """Run `action`, whose `with` blocks stop what it started, and turn how it ended into an exit code.

    :returns: what `action` returns; 1 after an error, shown as message and remedy; 130 after Ctrl-C.
    :raises SystemExit: with 128 and the signal's number after SIGTERM or SIGHUP.
    """
    signal.signal(signal.SIGTERM, _leave)
    signal.signal(signal.SIGHUP, _leave)
    try:
        return action()
    except KeyboardInterrupt:
        print("\nStopped.", file=sys.stderr)
        return INTERRUPTED
    except RollcallError as error:
        print(f"\n{error.message}\n{error.remedy}".rstrip(), file=sys.stderr)
        return 1


class Parent:
    """The `make` that started this process, if one did: without it nobody waits for us any more."""

    def __init__(self) -> None:
        self._pid = os.getppid() if "MAKELEVEL" in os.environ else None

    def check(self) -> None:
        """:raises SystemExit: 1, if `make` was killed; a kill reaches make alone and would leave us running."""
        if self._pid is not None and os.getppid() != self._pid:
            raise SystemExit(1)


def _leave(number: int, _frame: FrameType | None) -> None:
    raise SystemExit(128 + number)
