"""`rollcall sandbox`: serves made-up districts until Ctrl-C."""

from __future__ import annotations

import gc
import re
import signal
import sys
import threading
from dataclasses import replace
from typing import Any

import click

from rollcall.errors import RollcallError
from rollcall_sandbox.quirks import BUNDLES, QUIRKS
from rollcall_sandbox.server import Sandbox
from rollcall_sandbox.settings import APP, DEMO_DISTRICTS, SandboxDistrict

DEFAULT_PORT = 8480


def _names(_context: click.Context, _parameter: click.Parameter, given: tuple[str, ...]) -> tuple[str, ...]:
    """Each name once; by default, the demo's two districts."""
    for name in given:
        if not re.fullmatch(APP, name):
            raise click.BadParameter(f"{name!r} is not a lowercase word of letters, digits, and underscores.")
    return tuple(dict.fromkeys(given)) or tuple(district.app for district in DEMO_DISTRICTS)


@click.command()
@click.argument("districts", nargs=-1, metavar="[DISTRICT]...", callback=_names)
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=DEFAULT_PORT,
    show_default=True,
    help="Port on 127.0.0.1; 0 picks a free one.",
)
@click.option("--students", type=click.IntRange(1), help="Students per district.  [default: 1500]")
@click.option("--nights", type=click.IntRange(0), default=0, show_default=True, help="Nights that have already passed.")
@click.option("--seed", type=int, help="Seed for different people.")
@click.option(
    "--quirk",
    "quirks",
    type=click.Choice([*BUNDLES, *QUIRKS]),
    metavar="NAME",
    multiple=True,
    help=f"A provider ({', '.join(BUNDLES)}) or a single quirk from docs/providers.md (repeatable).",
)
def sandbox(
    districts: tuple[str, ...],
    port: int,
    students: int | None,
    nights: int,
    seed: int | None,
    quirks: tuple[str, ...],
) -> None:
    """Serve made-up districts to practice with, until Ctrl-C.

    They are OneRoster providers on 127.0.0.1.
    By default, it serves the demo's two districts: maple (OneRoster 1.2, OAuth 2) and cedar (OneRoster 1.1, Consumer
    Key and Secret). Any other name, such as birch, creates a OneRoster 1.2 district. The same name always creates the
    same district. The command prints what each district would send to a vendor. The sandbox's page shows it too.

    \b
    To practice with a third district, in one terminal and then in another:
      rollcall sandbox birch --port 8490 | tee birch.txt
      rollcall districts add birch birch.txt
    To let a night pass, and to set quirks, while it runs:
      curl -d '{"nights": 1}' http://127.0.0.1:8480/sandbox/maple/nights
      curl -d '["no-totals"]' http://127.0.0.1:8480/sandbox/maple/quirks
    """
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    try:
        changed: dict[str, Any] = {"nights": nights, "quirks": frozenset(quirks), **_connection_of(quirks)}
        changed |= {} if students is None else {"students": students}
        changed |= {} if seed is None else {"seed": seed}
        with Sandbox([replace(SandboxDistrict.named(name), **changed) for name in districts], port) as serving:
            gc.freeze()  # keeps the garbage collector from scanning a large district repeatedly
            for name in districts:
                click.echo(serving.handed_over(name))
            click.echo(f"{serving.origin} shows how to pass a night and set a quirk. Press Ctrl-C to stop.", err=True)
            stop.wait()
    except RollcallError as error:
        click.echo(f"Error: {error}", err=True)
        sys.exit(1)


def _connection_of(quirks: tuple[str, ...]) -> dict[str, Any]:
    """Version and way to sign in of the providers among the quirks."""
    changed: dict[str, Any] = {}
    for bundle in (BUNDLES[name] for name in quirks if name in BUNDLES):
        if bundle.version:
            changed |= {"version": bundle.version, "auth": "oauth2"}
        changed |= bundle.settings
    return changed
