"""The output of `rollcall districts add`. Of a secret, it shows four characters and the length."""

from __future__ import annotations

from typing import IO, Any

from rollcall.credentials.storage import REACHED_BY
from rollcall.display.dates import format_date, format_instant
from rollcall.display.terminal import TextConsole, line, open_console, plain_grid
from rollcall.errors import ActionRequired
from rollcall.onboarding.onboarding import Onboarded
from rollcall.onboarding.recognition import ParsedCredentials
from rollcall.settings import District

_AUTH = {"oauth2": "OAuth 2", "oauth1": "OAuth 1 (Consumer Key and Secret)", "": "unknown"}


def print_credentials(found: ParsedCredentials, file: IO[str]) -> None:
    """The fields, and what was corrected in them."""
    console = open_console(file)
    grid = plain_grid(show_header=False, padding=(0, 2, 0, 0))
    grid.add_column(no_wrap=True)
    grid.add_column(overflow="fold")
    for name, label in found.labels.items():
        value = found.shown_secret if name == "secret" else getattr(found, name)
        grid.add_row(label, value or line(("not recognized", "bold red")))
    version = f"OneRoster {found.version}" if found.version else "OneRoster 1.2 or 1.1, whichever responds"
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
    """The error for a text with missing fields."""
    names = [found.labels[name] for name in found.missing]
    listed = names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
    return ActionRequired(
        "credentials_incomplete",
        f"No {listed} recognized in the text. No request was sent, and nothing was written.",
        remedy=f"Ask the district for it, or add a line such as `{names[0]}: …` to the text.",
    )


def print_onboarded(taken: Onboarded, district: District, file: IO[str]) -> None:
    """What was written, when the first night is, and the next commands."""
    console = open_console(file)
    console.print(f"{taken.path}: {'written' if taken.is_new else 'kept; only its connection is new'}")
    if taken.signature:
        console.print(f"Signature: {taken.signature}, the only one this provider accepts. It is stored with the rest.")
    if taken.stored:
        console.print(f"Stored: {taken.stored}")
        if taken.shell_command:
            console.print("Airflow's API does not return secrets. For commands in this shell, enter the secret again:")
            console.print(f"  {taken.shell_command}", style="bold")
    else:
        why = taken.not_stored or f"No Airflow is named in the environment ({REACHED_BY})."
        console.print(why, style="yellow")
        console.print("The connection is not stored yet. This command asks for the secret and stores it in Airflow or,")
        console.print("if no Airflow is named, in the environment of this shell:")
        console.print(f"  {taken.command}", style="bold")
    for warning in taken.warnings:
        console.print(f"Warning: {warning}", style="yellow")
    if taken.is_new:
        _print_next_steps(taken, district, console)


def _print_next_steps(taken: Onboarded, district: District, console: TextConsole) -> None:
    key = district.district
    if taken.first_night is not None:
        first = format_instant(taken.first_night, district.schedule.timezone)
        console.print(f"First night: {first} ({district.schedule.timezone}), DAG {district.dag_id}")
    if taken.people is None:
        console.print(f"Schools and people were not pulled. {taken.not_pulled}", style="yellow")
    else:
        console.print(f"Pulled for your decisions, not published: {taken.people:,} people")
    if taken.undecided:
        schools = f"{taken.undecided:,} school{'s' * (taken.undecided > 1)}"
        console.print(f"{schools} undecided. Nobody at an undecided school gets an account.")
    console.print("Next, before the first night:")
    steps = [] if taken.people is not None else [(f"rollcall sync {key} --dry-run", "pull schools and people")]
    if taken.undecided:
        steps += [
            (f"rollcall sites list {key}", "schools, people, suggestions"),
            (f"rollcall sites suggest {key} --apply", "apply all suggestions"),
            (f"rollcall sites exclude {key} SCHOOL", "leave a school out"),
        ]
    steps += [
        (f"rollcall usernames compare {key}", "compare the fields usernames can come from"),
        (f"rollcall usernames set {key} FIELD", "choose one"),
        (f"rollcall sync {key} --dry-run", "the first night, without publishing"),
        (f"rollcall sync {key}", "publish now, or let the first night do it"),
    ]
    width = max(len(command) for command, _ in steps)
    for command, what in dict(steps).items():
        console.print(line("  ", (f"{command:<{width}}", "bold"), f"  # {what}"))


def onboarded_as_json(taken: Onboarded) -> dict[str, Any]:
    """The same for `--json`."""
    return {
        "file": str(taken.path),
        "is_new": taken.is_new,
        "first_night": taken.first_night.isoformat() if taken.first_night else None,
        "undecided": taken.undecided,
        "people": taken.people,
        "not_pulled": taken.not_pulled,
        "stored": taken.stored,
        "not_stored": taken.not_stored,
        "command": taken.command,
        "shell_command": taken.shell_command,
        "signature": taken.signature,
        "warnings": list(taken.warnings),
    }
