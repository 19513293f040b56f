"""`rollcall sandbox`: made-up districts served until Ctrl-C."""

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
    """Each name once; the demo's two where none is given."""
    for name in given:
        if not re.fullmatch(APP, name):
            raise click.BadParameter(f"{name!r} is not a lower-case word of letters, digits and underscores.")
    return tuple(dict.fromkeys(given)) or tuple(district.app for district in DEMO_DISTRICTS)


@click.command()
@click.argument("districts", nargs=-1, metavar="[DISTRICT]...", callback=_names)
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=DEFAULT_PORT,
    show_default=True,
    help="Port on 127.0.0.1; 0 takes any free one.",
)
@click.option("--students", type=click.IntRange(1), help="Students per district.  [default: 1500]")
@click.option("--nights", type=click.IntRange(0), default=0, show_default=True, help="Nights that have passed already.")
@click.option("--seed", type=int, help="Another seed, other people.")
@click.option(
    "--quirk",
    "quirks",
    type=click.Choice([*BUNDLES, *QUIRKS]),
    metavar="NAME",
    multiple=True,
    help=f"A provider ({', '.join(BUNDLES)}) or a single switch of docs/providers.md.  Repeatable.",
)
def sandbox(
    districts: tuple[str, ...],
    port: int,
    students: int | None,
    nights: int,
    seed: int | None,
    quirks: tuple[str, ...],
) -> None:
    """Serve made-up school districts as OneRoster providers on 127.0.0.1, until Ctrl-C.

    Without a DISTRICT it serves the two of the demo: maple (OneRoster 1.2, OAuth 2) and cedar (OneRoster 1.1, Consumer
    Key and Secret). Any other name, such as birch, makes another district of OneRoster 1.2; the same name makes the
    same district every time. What each district would send to a vendor is printed; a page at the sandbox's address
    shows it too.

    \b
    To practice with a third district, in a terminal of its own and then in another:
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
            gc.freeze()  # a large district is no garbage, and is not to be looked through again and again
            for name in districts:
                click.echo(serving.handed_over(name))
            click.echo(f"{serving.origin} says how to pass a night and set a quirk. Press Ctrl-C to end it.", err=True)
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
