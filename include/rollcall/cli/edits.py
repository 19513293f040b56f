"""Commands of the form `rollcall GROUP DISTRICT [ACTION …]`: they show something or, with an action, change it."""

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
    """Accepts options before DISTRICT and after it."""

    def parse_args(self, context: click.Context, args: list[str]) -> list[str]:
        action = next((index for index, arg in enumerate(args) if index and arg in self.commands), len(args))
        if args and not args[0].startswith("-"):
            args = [*args[1:action], args[0], *args[action:]]
        return super().parse_args(context, args)


@dataclass(frozen=True)
class DistrictContext:
    """The arguments before the action."""

    district: str
    warehouse: str | None

    def file(self) -> DistrictFile:
        from rollcall.district_edits.file import DistrictFile

        return DistrictFile.of(self.district)

    def engine(self) -> sa.Engine:
        from rollcall.warehouse.session import connect, warehouse_from_environment

        return connect(warehouse_from_environment(self.warehouse))


def of_district(show: Callable[..., None]) -> click.Group:
    """Turn a function into the group's command, which calls it when no action follows."""

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
    """Turn a function into an action of such a group. It accepts `--warehouse` too."""

    @warehouse_option
    @click.pass_obj
    @functools.wraps(function)
    def called(asked: DistrictContext, /, warehouse: str | None, **options: Any) -> None:
        function(replace(asked, warehouse=warehouse or asked.warehouse), **options)

    return called


def settle(edit: Edit, moved: Impact, *, yes: bool, as_json: bool, more: dict[str, Any] | None = None) -> None:
    """Show how an edit affects people and the file, then write it if confirmed.

    Without `--yes`, it asks at a terminal. Without a terminal, it only shows.
    """
    from rollcall.district_edits.render import print_moves

    key = edit.district.district
    is_written = False
    if edit.changes_nothing:
        outcome = f"{edit.file.path.name} already has this setting. Nothing to write."
    else:
        if not as_json:
            print_moves(moved)
            click.echo(edit.diff())
        is_written = yes or (_is_interactive() and click.confirm(f"Write {edit.file.path.name}?", err=True))
        if is_written:
            edit.write()
            outcome = f"Written. To apply it to the published roster, without SIS requests: rollcall sync {key} --remap"
        else:
            outcome = "Nothing was written. To write it, run the same command with --yes."
    if as_json:
        result = {"written": is_written, "moves": moved.plain(), "diff": edit.diff(), **(more or {})}
        click.echo(json.dumps(result, indent=1, ensure_ascii=False))
    else:
        click.echo(outcome)


def _is_interactive() -> bool:
    return sys.stdin.isatty()


yes_option = click.option("--yes", is_flag=True, help="Write without asking, for scripts.")
