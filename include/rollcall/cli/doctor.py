"""`rollcall doctor`: checks this installation."""

from __future__ import annotations

import sys
from dataclasses import asdict

import click

from rollcall.cli.grammar import examples
from rollcall.cli.options import json_option, landing_option, warehouse_option
from rollcall.display.echo import echo_json


@click.command(epilog=examples("doctor"))
@json_option
@warehouse_option
@landing_option
def doctor(as_json: bool, warehouse: str | None, landing: str) -> None:
    """Check this installation, with a remedy for each failure.

    It checks Python, packages, district files, the warehouse, the landing zone, and Airflow.
    Run it when something does not work. Each line is ok, failed (with what to do), or skipped. Exit code 1: something
    failed.
    """
    from rollcall.doctor.checkup import examine
    from rollcall.doctor.table import print_checkup

    checks = examine(warehouse, landing)
    if as_json:
        echo_json([asdict(check) for check in checks])
    else:
        print_checkup(checks)
    sys.exit(1 if any(check.outcome == "failed" for check in checks) else 0)
