"""`rollcall`: the command line runs the same stages without Airflow.

Results go to standard output; progress and logs go to standard error. Exit codes: 0 done, 1 failed, 2 usage error,
3 published with holds.
"""

from __future__ import annotations

import importlib
import logging
import os
import sys
from typing import NoReturn

# Libraries read these at import: no telemetry (rule 8), and freed memory returns to the system.
os.environ.setdefault("GX_ANALYTICS_ENABLED", "false")
os.environ.setdefault("ARROW_DEFAULT_MEMORY_POOL", "system")

import click

from rollcall.cli.grammar import CommandGroup
from rollcall.display.echo import echo
from rollcall.display.printable import PrintableFormatter
from rollcall.errors import RollcallError, known_fault, to_rollcall_error

#: The module of each command. It is imported only when the command is used.
COMMANDS = {
    "backfill": "rollcall.cli.history",
    "check": "rollcall.cli.check",
    "db": "rollcall.cli.db",
    "diff": "rollcall.cli.explain",
    "districts": "rollcall.cli.districts",
    "doctor": "rollcall.cli.doctor",
    "explain": "rollcall.cli.explain",
    "holds": "rollcall.cli.holds",
    "people": "rollcall.cli.people",
    "resume": "rollcall.cli.history",
    "rollback": "rollcall.cli.history",
    "roster": "rollcall.cli.history",
    "sandbox": "rollcall_sandbox.command",
    "sites": "rollcall.cli.sites",
    "status": "rollcall.cli.status",
    "sync": "rollcall.cli.sync",
    "usernames": "rollcall.cli.usernames",
}


#: The sections of `rollcall --help`.
SECTIONS = {
    "Districts": ("districts", "check", "sites", "usernames", "people"),
    "Nights": ("sync", "status", "holds", "diff", "explain"),
    "The past": ("roster", "rollback", "resume", "backfill"),
    "This installation": ("db", "doctor", "sandbox"),
}


class Commands(CommandGroup):
    """Finds commands by name, and lists them in sections."""

    def format_commands(self, context: click.Context, formatter: click.HelpFormatter) -> None:
        width = max(map(len, COMMANDS))
        for title, names in SECTIONS.items():
            found = [(name, command) for name in names if (command := self.get_command(context, name)) is not None]
            with formatter.section(title):
                formatter.write_dl([(name.ljust(width), command.get_short_help_str(62)) for name, command in found])

    def list_commands(self, _context: click.Context) -> list[str]:
        return [name for name in COMMANDS if self.get_command(_context, name) is not None]

    def get_command(self, _context: click.Context, name: str) -> click.Command | None:
        """The command, or None: the production image does not include the sandbox."""
        if name not in COMMANDS:
            return None
        try:
            module = importlib.import_module(COMMANDS[name])
        except ModuleNotFoundError as missing:
            if missing.name not in ("rollcall_sandbox", "starlette", "uvicorn"):
                raise
            return None
        command: click.Command = getattr(module, name)
        return command


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 120})
@click.version_option(package_name="rollcall")
@click.option(
    "-v", "--verbose", is_flag=True, help="Log each collection as it is pulled and validated, and each client action."
)
def rollcall(verbose: bool) -> None:
    """Load school rosters from OneRoster into a warehouse, every night, for every district."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(PrintableFormatter("%(message)s"))
    logging.basicConfig(handlers=[handler], level=logging.WARNING)
    if verbose:
        logging.getLogger("rollcall").setLevel(logging.INFO)
        logging.getLogger("rollcall.oneroster").setLevel(logging.DEBUG)


def main() -> None:
    """Run the command. Known errors print a message; anything else is a bug and prints a traceback."""
    try:
        rollcall.main(standalone_mode=True)
    except RollcallError as error:
        _exit_with(error)
    except Exception as error:
        if not _is_warehouse_error(error) and known_fault(error) is None:
            raise
        _exit_with(to_rollcall_error(error, "command"))


def _is_warehouse_error(error: Exception) -> bool:
    cause = getattr(error, "orig", None) or error
    return type(cause).__module__.startswith("psycopg")


def _exit_with(error: RollcallError) -> NoReturn:
    echo(f" ({error.code}): {error.message}", err=True, head="Error", color="red")
    if error.remedy:
        echo(f"  {error.remedy}", err=True)
    sys.exit(1)


if __name__ == "__main__":
    main()
