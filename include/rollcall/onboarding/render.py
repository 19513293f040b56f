"""What taking a district in tells a person; of a secret four characters and a length, of anything else all."""

from __future__ import annotations

from typing import IO, Any

from rollcall.credentials.storage import REACHED_BY
from rollcall.display.dates import format_date
from rollcall.display.terminal import line, open_console, plain_grid
from rollcall.errors import ActionRequired
from rollcall.onboarding.onboarding import Onboarded
from rollcall.onboarding.recognition import ParsedCredentials
from rollcall.settings import District

_AUTH = {"oauth2": "OAuth 2", "oauth1": "OAuth 1 (Consumer Key and Secret)", "": "not known"}


def print_credentials(found: ParsedCredentials, file: IO[str]) -> None:
    """The fields, and what was put right in them."""
    console = open_console(file)
    grid = plain_grid(show_header=False, padding=(0, 2, 0, 0))
    grid.add_column(no_wrap=True)
    grid.add_column(overflow="fold")
    for name, label in found.labels.items():
        value = found.shown_secret if name == "secret" else getattr(found, name)
        grid.add_row(label, value or line(("not recognized", "bold red")))
    version = f"OneRoster {found.version}" if found.version else "OneRoster 1.2 or 1.1, whichever answers"
    grid.add_row("Authentication", f"{_AUTH[found.auth]}, {version}")
    if found.expires_on:
        grid.add_row("Expires on", format_date(found.expires_on))
    console.print(grid)
    for note in found.notes:
        console.print(f"  {note}", style="yellow")


def credentials_as_json(found: ParsedCredentials) -> dict[str, Any]:
    """The same for `--json`."""
    return {
        **{name: found.shown_secret if name == "secret" else getattr(found, name) for name in found.labels},
        "auth": found.auth,
        "version": found.version,
        "expires_on": found.expires_on.isoformat() if found.expires_on else None,
        "missing": found.missing,
        "notes": list(found.notes),
    }


def credentials_incomplete(found: ParsedCredentials) -> ActionRequired:
    """The error for a text in which something is not."""
    names = [found.labels[name] for name in found.missing]
    listed = names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
    return ActionRequired(
        "credentials_incomplete",
        f"The text has no {listed} that could be recognised, so nothing was asked and nothing written.",
        remedy=f"Ask the district for it, or add a line such as `{names[0]}: …` to the text.",
    )


def print_onboarded(taken: Onboarded, district: District, file: IO[str]) -> None:
    """What was written where, and what comes next."""
    console = open_console(file)
    done = "written" if taken.is_new else "kept, for it was there already"
    schools = f"{taken.undecided} school{'s' * (taken.undecided > 1)}" if taken.undecided else ""
    undecided = f"; {schools} undecided, and nobody there has an account until somebody decides" if schools else ""
    console.print(f"{taken.path}: {done}{undecided}")
    if taken.signature:
        console.print(
            f"Signature: {taken.signature}, the only one this provider accepts; it is part of the connection."
        )
    if taken.stored:
        console.print(f"{taken.stored[0].upper()}{taken.stored[1:]}: stored")
        if taken.shell_command:
            console.print("For commands in this shell, which asks for the secret, as Airflow does not show it:")
            console.print(f"  {taken.shell_command}", style="bold")
    else:
        why = taken.not_stored or f"No Airflow is named in the environment ({REACHED_BY})."
        console.print(why, style="yellow")
        console.print("The connection is not stored yet. This command asks for the secret and stores it in Airflow,")
        console.print("or, where no Airflow is named, in the environment of the shell it is run in:")
        console.print(f"  {taken.command}", style="bold")
    console.print("A look before anything is published:")
    console.print(f"  rollcall sync {district.district} --dry-run")


def onboarded_as_json(taken: Onboarded) -> dict[str, Any]:
    """The same for `--json`."""
    return {
        "file": str(taken.path),
        "is_new": taken.is_new,
        "undecided": taken.undecided,
        "stored": taken.stored,
        "not_stored": taken.not_stored,
        "command": taken.command,
        "shell_command": taken.shell_command,
        "signature": taken.signature,
    }
