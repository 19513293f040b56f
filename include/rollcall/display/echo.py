"""Printing lines, text, JSON, and data: `click.echo` for values that can contain anything."""

from __future__ import annotations

import sys
from typing import Any

import click

from rollcall.display.printable import as_json, printable, printable_lines


def echo(line: str = "", *, err: bool = False, head: str = "", color: str | None = None) -> None:
    """Print one line. A line feed in it is shown as a sign, so no value can pretend to be another line.

    :param err: to standard error.
    :param head: printed before the line, bold or in the color.
    """
    styled = click.style(printable(head), fg=color, bold=color is None) if head else ""
    click.echo(styled + printable(line), err=err)


def echo_text(text: str, *, err: bool = False) -> None:
    """Print text of several lines, such as an email or a file."""
    click.echo(printable_lines(text).removesuffix("\n"), err=err)


def echo_json(value: Any) -> None:
    """Print a value as JSON."""
    click.echo(as_json(value))


def echo_data(content: bytes) -> None:
    """Write a file to standard output: unchanged to a pipe, as text to a terminal."""
    if sys.stdout.isatty():
        echo_text(content.decode(errors="replace"))
    else:
        sys.stdout.flush()
        sys.stdout.buffer.write(content)
        sys.stdout.buffer.flush()
