"""`rollcall check DISTRICT`: checks a connection step by step and writes the email to the district."""

from __future__ import annotations

import sys

import click

from rollcall.cli.grammar import district_argument, examples
from rollcall.cli.options import open_optional_warehouse, retired_option, warehouse_option
from rollcall.display.echo import echo, echo_json, echo_text


@click.command(epilog=examples("check maple", "check maple --email"))
@district_argument
@click.option("--json", "as_json", is_flag=True, help="The result as JSON.")
@click.option("--email", "as_email", is_flag=True, help="Print only the email to the district.")
@retired_option("--letter", "--email", is_flag=True)
@retired_option("--pin-anew", "--replace-pin", is_flag=True)
@click.option(
    "--replace-pin", is_flag=True, help="Pin the org that is there now. Use it when the district has a new ID."
)
@warehouse_option
def check(district: str, as_json: bool, as_email: bool, replace_pin: bool, warehouse: str | None) -> None:
    """Check the connection of DISTRICT step by step.

    DISTRICT is an ID, or a path to its YAML file.
    Credentials come from AIRFLOW_CONN_ONEROSTER_<DISTRICT>, in Airflow's JSON format, or from Airflow's metadata
    database if the environment names one. If both are different, the check warns. Exit code 0: passed, warnings
    allowed; 1: failed. Without a warehouse, the result is not stored.
    """

    from rollcall.check.connections import check_and_record
    from rollcall.check.email import email_text
    from rollcall.check.steps import OTHER_COPY
    from rollcall.check.table import as_plain, print_checked
    from rollcall.credentials.lookup import find_connection
    from rollcall.display.terminal import line, open_console
    from rollcall.settings import find_district

    if as_json and as_email:
        raise click.UsageError("Use either --json or --email.")
    settings = find_district(district)
    engine = open_optional_warehouse(warehouse)
    with open_console(sys.stderr).status(line(f"Checking the connection of {settings.name}")):
        recorded = check_and_record(
            settings,
            lambda: find_connection(settings.connection_id),
            engine,
            count_people=True,
            replace_pin=replace_pin,
        )
    checked = recorded.checked
    if recorded.not_kept:
        echo(recorded.not_kept, err=True)
    if as_email:
        for step in checked.steps:
            if step.name == OTHER_COPY:
                echo(f"Warning: {step.message}", err=True)
    if as_json:
        plain = {**as_plain(checked), "kept": not recorded.not_kept}
        echo_json(plain)
    elif as_email:
        echo_text(email_text(checked))
    else:
        print_checked(checked, sys.stdout)
    sys.exit(0 if checked.passed else 1)
