"""`rollcall districts`: lists and adds districts, shows settings, stores connections, deletes data."""

from __future__ import annotations

import getpass
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import IO, TYPE_CHECKING, Any

import click

from rollcall.cli.grammar import CommandGroup, district_argument, examples
from rollcall.cli.options import (
    json_option,
    landing_option,
    open_optional_warehouse,
    open_warehouse,
    retired_option,
    warehouse_option,
)
from rollcall.display.echo import echo, echo_json, echo_text
from rollcall.errors import ActionRequired, RollcallError
from rollcall.landing.zone import Landing
from rollcall.settings import json_schema

if TYPE_CHECKING:
    from rollcall.onboarding.recognition import ParsedCredentials


_CONNECT = (
    "districts connect maple --client-id 3f9a --base-url https://sis.maple.example/ims/oneroster/rostering/v1p2 "
    "--token-url https://sis.maple.example/oauth2/token"
)


@click.group(cls=CommandGroup, subcommand_metavar="VERB [DISTRICT] ...")
def districts() -> None:
    """List and add districts; show, connect, and delete one."""


@districts.command("list", epilog=examples("districts list"))
@json_option
@warehouse_option
def list_(as_json: bool, warehouse: str | None) -> None:
    """List every district file, with its next night.

    Each line has ID, name, state, sites, connection, next night, and published roster.
    Pauses and published rosters come from the warehouse. Without one, the rest is listed.
    """
    from rollcall.settings import load_districts
    from rollcall.status.district_list import list_districts, print_districts
    from rollcall.warehouse.session import warehouse_transaction

    districts, broken = load_districts()
    engine = open_optional_warehouse(warehouse)
    lines, is_reachable = None, False
    if engine is not None:
        try:
            with warehouse_transaction(engine, "districts") as connection:
                lines, is_reachable = list_districts(districts, broken, connection), True
        except RollcallError as error:
            echo(f"{error.message} Pauses and published rosters are not listed.", err=True)
    lines = lines if lines is not None else list_districts(districts, broken)
    if as_json:
        echo_json([line.plain() for line in lines])
    else:
        print_districts(lines, has_warehouse=is_reachable)


@districts.command(epilog=examples("districts schema > district.schema.json"))
def schema() -> None:
    """Print the JSON Schema of a district's file, for editors."""
    echo_json(json_schema())


@districts.command(
    epilog=examples(
        "districts add maple mail.txt",
        "districts add maple mail.txt --site ME='Maple Elementary' --site MH='Maple High'",
    )
)
@click.argument("district")
@click.argument("file", type=click.File("rb"), default="-")
@click.option("--name", default="", help="The district's name.  [default: from the provider]")
@click.option("--version", type=click.Choice(["1.1", "1.2"]), help="OneRoster version.  [default: detected]")
@click.option("--usernames", default="", metavar="FIELD", help="The field that usernames come from.  [default: email]")
@click.option("--demographics", is_flag=True, help="Pull demographics, if the district shares them.")
@click.option("--timezone", default="", metavar="ZONE", help="The district's time zone, such as America/Denver.")
@click.option("--site", "sites", multiple=True, metavar="ID=NAME", help="One of your sites (repeatable).")
@click.option("--own-sites", is_flag=True, help="Make every school its own site, with no mapping to decide.")
@click.option("--replace", is_flag=True, help="Replace the connection of an existing district.")
@click.option("--email", "as_email", is_flag=True, help="If the check fails, print the email to the district.")
@retired_option("--letter", "--email", is_flag=True)
@json_option
@warehouse_option
@landing_option
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
    landing: str,
) -> None:
    """Add DISTRICT (its new ID) from the email it sent.

    FILE is that email. Without FILE, the command reads standard input.
    The text is a saved email or pasted text with Client ID, Client Secret, Token URL, and Base URL, or with Consumer
    Key, Consumer Secret, and OneRoster URL. The command prints what it recognized and checks the connection. If the
    check passes, it pulls schools and people for your first decisions (nothing is published), stores the connection in
    Airflow, and writes DISTRICT.yaml with every school undecided. Then it prints the next commands.
    """

    from rollcall.check.email import email_text
    from rollcall.check.table import as_plain, print_checked
    from rollcall.display.terminal import line, open_console
    from rollcall.onboarding import render
    from rollcall.onboarding.onboarding import DistrictOptions, Onboarding
    from rollcall.onboarding.recognition import parse_credentials

    if own_sites and sites:
        raise click.UsageError("Give either --site or --own-sites, not both.")
    if replace and any((name, usernames, demographics, timezone, sites, own_sites)):
        raise click.UsageError("--replace changes the connection only. Change other settings in the district's file.")
    options = DistrictOptions(
        name=name,
        version=version or "",  # type: ignore[arg-type]
        usernames=usernames,
        demographics=demographics,
        timezone=timezone,
        targets=_targets(sites),
        own_sites=own_sites,
    )
    onboarding = Onboarding(district, options, replace=replace)
    engine = open_optional_warehouse(warehouse)
    if file.isatty():
        echo("Paste the text from the district, then press Enter and Ctrl-D.", err=True)
    found = parse_credentials(file.read())
    # Part of the result, but it must not mix with the JSON or the email on standard output.
    render.print_credentials(found, sys.stderr if as_json or as_email else sys.stdout)
    found = _completed(found) if file.isatty() else found
    if found.missing:
        raise render.credentials_incomplete(found)
    with open_console(sys.stderr).status(line(f"Checking the connection of {district}")):
        settings, found, recorded = onboarding.check(found, engine)
    checked = recorded.checked
    if recorded.not_kept:
        echo(recorded.not_kept, err=True)
    taken = None
    if checked.passed:
        with open_console(sys.stderr).status(line(f"Pulling the schools and people of {settings.name}")):
            taken = onboarding.write(settings, found, checked, engine, Landing(landing), datetime.now(UTC))
    if as_json:
        plain = {
            "credentials": render.credentials_as_json(found),
            "check": as_plain(checked),
            "written": render.onboarded_as_json(taken) if taken else None,
        }
        echo_json(plain)
    elif as_email and taken is None:
        echo_text(email_text(checked))
    else:
        print_checked(checked, sys.stdout)
        if taken:
            render.print_onboarded(taken, settings, sys.stdout)
    if taken is None:
        echo("Nothing was written, because the check failed.", err=True)
        sys.exit(1)


@districts.command(epilog=examples(_CONNECT))
@district_argument
@click.option("--base-url", required=True, metavar="URL", help="Base URL or OneRoster URL.")
@click.option("--client-id", required=True, metavar="ID", help="Client ID or Consumer Key.")
@click.option("--token-url", default="", metavar="URL", help="Token URL. Without it, the connection uses OAuth 1.")
@click.option("--expires-on", default="", metavar="DATE", help="When the credentials expire, YYYY-MM-DD.")
@click.option(
    "--signature", type=click.Choice(["HMAC-SHA256", "HMAC-SHA1"]), help="OAuth 1 only.  [default: HMAC-SHA256]"
)
def connect(
    district: str, base_url: str, client_id: str, token_url: str, expires_on: str, signature: str | None
) -> None:
    """Store the connection of DISTRICT. The command asks for the secret, so it never is an argument.

    The connection goes into Airflow if the environment names one. Otherwise, the command prints an `export` line for
    your shell: eval "$(rollcall districts connect …)".
    """
    from rollcall.check.raw_connection import RawConnection
    from rollcall.credentials import storage
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
    raw = RawConnection(settings.connection_id, base_url, client_id, secret, extra)
    raw.connection()  # raises if the fields are not valid
    if stored := storage.store(raw):
        echo(f"Stored: {stored}.", err=True)
    elif sys.stdout.isatty():
        raise ActionRequired(
            "no_airflow",
            f"No Airflow in the environment ({storage.REACHED_BY}). The secret is never printed to a terminal.",
            remedy='To set the connection in this shell, run: eval "$(rollcall districts connect …)".',
        )
    else:
        echo(storage.export_line(raw))
        echo(f"AIRFLOW_CONN_{raw.conn_id.upper()}: set in this shell, once evaluated.", err=True)


@districts.command(epilog=examples("districts show maple"))
@district_argument
@json_option
def show(district: str, as_json: bool) -> None:
    """Print the settings of DISTRICT and where each comes from.

    DISTRICT is an ID, or a path to its YAML file.
    A comment marks each setting from _defaults.yaml and each built-in default.
    """
    from rollcall.onboarding.effective import effective

    found = effective(district)
    if as_json:
        echo_json(found.plain())
    else:
        echo_text(found.yaml())


@districts.command(epilog=examples("districts purge maple"))
@district_argument
@click.option("--yes-delete", metavar="DISTRICT", help="Confirm by repeating the district ID.")
@json_option
@warehouse_option
@landing_option
def purge(district: str, yes_delete: str | None, as_json: bool, warehouse: str | None, landing: str) -> None:
    """Permanently delete all data of DISTRICT, with a receipt.

    The command deletes it from the warehouse and the landing zone.
    Use it when a district's contract has ended. You confirm by typing the ID. The receipt lists what was deleted and
    what this command cannot reach. It is stored in roster_ops.purges.
    """
    from rollcall.retention import receipt as report
    from rollcall.retention.purge import measure_district_data, purge, require_confirmation

    engine = open_warehouse(warehouse)
    zone = Landing(landing)
    there = measure_district_data(engine, district, zone)
    if there.is_empty:
        raise ActionRequired(
            "district_unknown", f"No data of a district {district!r}.", remedy="Check the district ID."
        )
    if yes_delete is None:
        report.print_district_data(there, sys.stderr)
        yes_delete = click.prompt(f"To delete all of it permanently, type {district}", err=True)
    require_confirmation(district, str(yes_delete))
    receipt = purge(engine, district, zone, by=getpass.getuser())
    if as_json:
        echo_json(report.receipt_to_json(receipt))
    else:
        report.print_receipt(receipt, sys.stdout)


def _targets(sites: Sequence[str]) -> dict[str, str]:
    """`ME=Maple Elementary` as ID and name. A name alone is also the ID."""
    pairs = (site.partition("=") for site in sites)
    return {key.strip(): (name or key).strip() for key, _, name in pairs}


def _completed(found: ParsedCredentials) -> ParsedCredentials:
    """Prompt for the missing fields."""
    given = {
        field: click.prompt(found.labels[field], hide_input=field == "secret", err=True) for field in found.missing
    }
    return found.completed(given)
