"""`rollcall sandbox`: the demo districts served until somebody ends it."""

from __future__ import annotations

import gc
import signal
import sys
import threading
from dataclasses import replace
from typing import Any

import click

from include.errors import RollcallError
from include.sandbox.bundles import BUNDLES
from include.sandbox.quirks import QUIRKS
from include.sandbox.server import Sandbox
from include.sandbox.settings import DEMO_DISTRICTS, SandboxDistrict

DEFAULT_PORT = 8480
_BY_APP = {district.app: district for district in DEMO_DISTRICTS}


@click.command()
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
    "--district", "apps", type=click.Choice(list(_BY_APP)), multiple=True, help="Repeatable.  [default: both]"
)
@click.option(
    "--quirk",
    "quirks",
    type=click.Choice([*BUNDLES, *QUIRKS]),
    metavar="NAME",
    multiple=True,
    help=f"A provider ({', '.join(BUNDLES)}) or a single switch of docs/providers.md.  Repeatable.",
)
def sandbox(
    port: int, students: int | None, nights: int, seed: int | None, apps: tuple[str, ...], quirks: tuple[str, ...]
) -> None:
    """Serve made-up districts: OneRoster 1.2 with OAuth 2 (maple) and 1.1 with Consumer Key and Secret (cedar)."""
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    try:
        districts = [
            replace(
                _BY_APP[app],
                students=students or _BY_APP[app].students,
                nights=nights,
                seed=_BY_APP[app].seed if seed is None else seed,
                quirks=frozenset(quirks),
                **_connection_of(quirks),
            )
            for app in dict.fromkeys(apps or _BY_APP)
        ]
        with Sandbox(districts, port) as serving:
            gc.freeze()  # a large district is no garbage, and is not to be looked through again and again
            for district in serving.districts:
                click.echo(_credentials(serving, district))
            click.echo("Press Ctrl-C to end it.", err=True)
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


def _credentials(serving: Sandbox, district: SandboxDistrict) -> str:
    """What the district would send to a vendor, in the words of its own screen."""
    base_url = serving.base_url(district.app)
    match district.auth:
        case "oauth1":
            lines = {
                "OneRoster URL": base_url,
                "Consumer Key": district.client_id,
                "Consumer Secret": district.client_secret,
            }
        case "oauth2":
            lines = {
                "Base URL": base_url,
                "Token URL": serving.token_url(district.app),
                "Client ID": district.client_id,
                "Client Secret": district.client_secret,
            }
        case "bearer":
            lines = {"Base URL": base_url, "Bearer Token": district.client_secret}
    body = "".join(f"  {label + ':':<17}{value}\n" for label, value in lines.items())
    return f"{district.name}, OneRoster {district.version}\n{body}"
