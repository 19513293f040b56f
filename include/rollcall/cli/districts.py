"""`rollcall districts`: taking a district in, its effective settings, its connection, and deleting it."""

from __future__ import annotations

import getpass
import json
import os
import sys
from collections.abc import Sequence
from datetime import date
from typing import IO, TYPE_CHECKING, Any

import click

from rollcall.cli.options import json_option, landing_option, retired_option, warehouse_option
from rollcall.errors import ActionRequired
from rollcall.landing.zone import Landing
from rollcall.settings import json_schema

if TYPE_CHECKING:
    import sqlalchemy as sa

    from rollcall.onboarding.recognition import Recognised


@click.group()
def districts() -> None:
    """The districts: take one in, look at its settings, delete one."""


@districts.command()
def schema() -> None:
    """Print the JSON Schema of a district's file, for editors."""
    click.echo(json.dumps(json_schema(), indent=1))


@districts.command()
@click.argument("district")
@click.argument("file", type=click.File("rb"), default="-")
@click.option("--name", default="", help="What people call it; else what the provider calls the district.")
@click.option("--version", type=click.Choice(["1.1", "1.2"]), help="Else what the addresses say, or what answers.")
@click.option("--usernames", default="", metavar="FIELD", help="The field usernames are made from.  [default: email]")
@click.option("--demographics", is_flag=True, help="The district shares demographics, and we want them.")
@click.option("--timezone", default="", metavar="ZONE", help="The district's own, such as America/Denver.")
@click.option("--site", "sites", multiple=True, metavar="ID=NAME", help="One of your sites (repeatable).")
@click.option("--own-sites", is_flag=True, help="Every school is its own site: there is nothing to decide.")
@click.option("--replace", is_flag=True, help="The district is there already: exchange its connection.")
@click.option("--email", "as_email", is_flag=True, help="If the check fails, print the email to the district.")
@retired_option("--letter", "--email", is_flag=True)
@json_option
@warehouse_option
def add(
    district: str,
    file: IO[bytes],
    name: str,
    version: str | None,
    usernames: str,
    demographics: bool,
    timezone: str,
    sites: Sequence[str],
    own_sites: bool,
    replace: bool,
    as_email: bool,
    as_json: bool,
    warehouse: str | None,
) -> None:
    """Take DISTRICT (its id to be) in, from the text it sent: FILE, or standard input.

    The text is a saved mail or anything pasted, with Client ID, Client Secret, Token URL and Base URL, or Consumer Key,
    Consumer Secret and OneRoster URL. What was recognised is said, the connection is checked, and only if the check
    passes DISTRICT.yaml is written, with every school undecided, and the connection stored in Airflow.
    """
    from rich.console import Console

    from rollcall.check.email import email_text
    from rollcall.check.table import as_plain, print_checked
    from rollcall.onboarding import render as told
    from rollcall.onboarding.onboarding import Intake, Wishes
    from rollcall.onboarding.recognition import recognise

    if own_sites and sites:
        raise click.UsageError("--site and --own-sites exclude each other.")
    if replace and any((name, usernames, demographics, timezone, sites, own_sites)):
        raise click.UsageError("--replace exchanges the connection; change the rest in the district's file.")
    wishes = Wishes(
        name=name,
        version=version or "",  # type: ignore[arg-type]
        usernames=usernames,
        demographics=demographics,
        timezone=timezone,
        targets=_targets(sites),
        own_sites=own_sites,
    )
    intake = Intake(district, wishes, replace=replace)
    engine = _engine(warehouse)
    if file.isatty():
        click.echo("Paste what the district sent, then press Enter and Ctrl-D.", err=True)
    found = recognise(file.read())
    # the recognised fields are the beginning of the result, but must not be in the way of its JSON or the email
    told.print_recognised(found, sys.stderr if as_json or as_email else sys.stdout)
    found = _completed(found) if file.isatty() else found
    if found.missing:
        raise told.incomplete(found)
    with Console(stderr=True).status(f"Checking the connection of {district}"):
        settings, found, recorded = intake.check(found, engine)
    checked = recorded.checked
    if recorded.not_kept:
        click.echo(recorded.not_kept, err=True)
    taken = intake.write(settings, found, checked, engine, date.today()) if checked.passed else None
    if as_json:
        plain = {
            "recognised": told.plain_recognised(found),
            "check": as_plain(checked),
            "written": told.plain_taken_in(taken) if taken else None,
        }
        click.echo(json.dumps(plain, indent=1, ensure_ascii=False))
    elif as_email and taken is None:
        click.echo(email_text(checked), nl=False)
    else:
        print_checked(checked, sys.stdout)
        if taken:
            told.print_taken_in(taken, settings, sys.stdout)
    if taken is None:
        click.echo("Nothing was written: the check has to pass first.", err=True)
        sys.exit(1)


@districts.command()
@click.argument("district")
@click.option("--base-url", required=True, metavar="URL", help="Base URL or OneRoster URL.")
@click.option("--client-id", required=True, metavar="ID", help="Client ID or Consumer Key.")
@click.option("--token-url", default="", metavar="URL", help="Token URL; without one it is OAuth 1.")
@click.option("--expires-on", default="", metavar="DATE", help="The day the credentials end, YYYY-MM-DD.")
@click.option(
    "--signature", type=click.Choice(["HMAC-SHA256", "HMAC-SHA1"]), help="OAuth 1 only.  [default: HMAC-SHA256]"
)
def connect(
    district: str, base_url: str, client_id: str, token_url: str, expires_on: str, signature: str | None
) -> None:
    """Store the connection of DISTRICT, asking for the secret; no program ever gets it as an argument.

    It goes into Airflow where the environment names one. Else an `export` is printed for the shell that evaluates it:
    eval "$(rollcall districts connect …)".
    """
    from rollcall.check.pasted import Pasted
    from rollcall.onboarding import connection
    from rollcall.settings import find_district

    settings = find_district(district)
    extra: dict[str, Any] = {"auth_url": token_url} if token_url else {"auth": "oauth1"}
    extra |= {"expires_on": expires_on} if expires_on else {}
    extra |= {"signature": signature} if signature else {}
    label = "Client Secret" if token_url else "Consumer Secret"
    if sys.stdin.isatty():
        secret = click.prompt(label, hide_input=True, err=True)
    else:
        secret = sys.stdin.readline().rstrip("\r\n")
    pasted = Pasted(settings.connection_id, base_url, client_id, secret, extra)
    pasted.connection()  # refuses what can be no connection
    if stored := connection.store(pasted):
        click.echo(f"Stored: {stored}.", err=True)
    elif sys.stdout.isatty():
        raise ActionRequired(
            "no_airflow",
            f"No Airflow is named in the environment ({connection.REACHED_BY}), and the secret is not for the screen.",
            remedy='Run it as eval "$(rollcall districts connect …)": then this shell has the connection.',
        )
    else:
        click.echo(connection.export_line(pasted))
        click.echo(f"AIRFLOW_CONN_{pasted.conn_id.upper()}: set in the shell that evaluates this.", err=True)


@districts.command()
@click.argument("district")
@json_option
def show(district: str, as_json: bool) -> None:
    """Print the effective settings of DISTRICT (an id, or a path to its YAML file), and where each comes from.

    What is not from the district's own file has a comment: _defaults.yaml, or built in.
    """
    from rollcall.onboarding.effective import effective

    found = effective(district)
    if as_json:
        click.echo(json.dumps(found.plain(), indent=1, ensure_ascii=False))
    else:
        click.echo(found.yaml(), nl=False)


@districts.command()
@click.argument("district")
@click.option("--yes-delete", metavar="DISTRICT", help="The id once more, in place of typing it.")
@json_option
@warehouse_option
@landing_option
def purge(district: str, yes_delete: str | None, as_json: bool, warehouse: str | None, landing: str) -> None:
    """Delete everything of DISTRICT (its id) from the warehouse and the landing zone, for good.

    For a district whose contract ended. Its id has to be typed out. The receipt says what was deleted and what cannot
    be reached from here; it stays in roster_ops.purges.
    """
    from rollcall.retention import receipt as told
    from rollcall.retention.purge import measure_district_data, purge, require_confirmation
    from rollcall.warehouse.session import connect as connect_to
    from rollcall.warehouse.session import warehouse_from_environment

    engine = connect_to(warehouse_from_environment(warehouse))
    zone = Landing(landing)
    there = measure_district_data(engine, district, zone)
    if there.is_empty:
        raise ActionRequired(
            "district_unknown", f"There is nothing of a district {district!r}.", remedy="Name it by its id."
        )
    if yes_delete is None:
        told.print_district_data(there, sys.stderr)
        yes_delete = click.prompt(f"To delete all of it for good, type {district}", err=True)
    require_confirmation(district, str(yes_delete))
    receipt = purge(engine, district, zone, by=getpass.getuser())
    if as_json:
        click.echo(json.dumps(told.receipt_to_json(receipt), indent=1, ensure_ascii=False))
    else:
        told.print_receipt(receipt, sys.stdout)


def _targets(sites: Sequence[str]) -> dict[str, str]:
    """`ME=Maple Elementary` as id and name; a name alone is its own id."""
    pairs = (site.partition("=") for site in sites)
    return {key.strip(): (name or key).strip() for key, _, name in pairs}


def _engine(warehouse: str | None) -> sa.Engine | None:
    """The warehouse keeps what the check learned; a connection can be checked without one."""
    from rollcall.warehouse.session import connect as connect_to
    from rollcall.warehouse.session import warehouse_from_environment

    is_named = warehouse or os.environ.get("AIRFLOW_CONN_WAREHOUSE")
    return connect_to(warehouse_from_environment(warehouse)) if is_named else None


def _completed(found: Recognised) -> Recognised:
    """Ask the person at the terminal for what is missing."""
    given = {
        field: click.prompt(found.labels[field], hide_input=field == "secret", err=True) for field in found.missing
    }
    return found.completed(given)
