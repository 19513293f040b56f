"""`make up`: runs Airflow, the sandbox, and a persistent warehouse until Ctrl-C."""

from __future__ import annotations

import sys

from rollcall_local import processes
from rollcall_local.screen import Screen
from rollcall_local.stack import Stack


def main() -> int:
    """Start everything and keep it running."""
    return processes.run(_up)


def _up() -> int:
    screen = Screen()
    with Stack("up", fresh=False, say=screen.say) as stack:
        screen.lines(stack.addresses())
        stack.stay()
    return 0


if __name__ == "__main__":
    sys.exit(main())
