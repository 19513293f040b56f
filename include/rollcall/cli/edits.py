"""`rollcall WHAT DISTRICT [ACTION …]`: commands that show something of a district and, with an action, decide it."""

from __future__ import annotations

import functools
import json
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import click

from rollcall.cli.options import json_option, warehouse_option

if TYPE_CHECKING:
    import sqlalchemy as sa

    from rollcall.district_edits.file import DistrictFile, Edit
    from rollcall.district_edits.impact import Impact


class OfDistrict(click.Group):
    """Options may stand before DISTRICT and, as everywhere, behind it."""

    def parse_args(self, context: click.Context, args: list[str]) -> list[str]:
        action = next((index for index, arg in enumerate(args) if index and arg in self.commands), len(args))
        if args and not args[0].startswith("-"):
            args = [*args[1:action], args[0], *args[action:]]
        return super().parse_args(context, args)


@dataclass(frozen=True)
class DistrictContext:
    """What stands before the action."""

    district: str
    warehouse: str | None

    def file(self) -> DistrictFile:
        from rollcall.district_edits.file import DistrictFile

        return DistrictFile.of(self.district)

    def engine(self) -> sa.Engine:
        from rollcall.warehouse.session import connect, warehouse_from_environment

        return connect(warehouse_from_environment(self.warehouse))


def of_district(show: Callable[..., None]) -> click.Group:
    """The command itself, called with what was asked where no action follows: it shows."""

    @click.group(cls=OfDistrict, invoke_without_command=True)
    @click.argument("district")
    @json_option
    @warehouse_option
    @click.pass_context
    @functools.wraps(show)
    def command(context: click.Context, district: str, as_json: bool, warehouse: str | None) -> None:
        context.obj = asked = DistrictContext(district, warehouse)
        if context.invoked_subcommand is None:
            show(asked, as_json=as_json)

    return command


def action(function: Callable[..., None]) -> Callable[..., None]:
    """An action of such a command: called with what was asked, `--warehouse` behind the action as good as before it."""

    @warehouse_option
    @click.pass_obj
    @functools.wraps(function)
    def called(asked: DistrictContext, /, warehouse: str | None, **options: Any) -> None:
        function(replace(asked, warehouse=warehouse or asked.warehouse), **options)

    return called


def settle(edit: Edit, moved: Impact, *, yes: bool, as_json: bool, more: dict[str, Any] | None = None) -> None:
    """Show what a decision does to people and to the file, and write it if somebody says so.

    Without `--yes` a person at a terminal is asked; where nobody can be asked it is only shown.
    """
    from rollcall.district_edits.render import print_moves

    key = edit.district.district
    is_written = False
    if edit.changes_nothing:
        words = f"{edit.file.path.name} says so already; nothing to write."
    else:
        if not as_json:
            print_moves(moved)
            click.echo(edit.diff())
        is_written = yes or (_somebody_is_there() and click.confirm(f"Write {edit.file.path.name}?", err=True))
        if is_written:
            edit.write()
            words = f"Written. To apply it to what is published, asking no provider: rollcall sync {key} --remap"
        else:
            words = "Nothing was written. To write it: the same command with --yes."
    if as_json:
        told = {"written": is_written, "moves": moved.plain(), "diff": edit.diff(), **(more or {})}
        click.echo(json.dumps(told, indent=1, ensure_ascii=False))
    else:
        click.echo(words)


def _somebody_is_there() -> bool:
    return sys.stdin.isatty()


yes_option = click.option("--yes", is_flag=True, help="Write it without asking; for scripts.")
