"""`rollcall districts`: the districts' files."""

from __future__ import annotations

import json

import click

from include.settings import json_schema


@click.group()
def districts() -> None:
    """The districts' files."""


@districts.command()
def schema() -> None:
    """Print the JSON Schema of a district's file, for editors."""
    click.echo(json.dumps(json_schema(), indent=1))
