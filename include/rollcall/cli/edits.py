"""What the commands of `sites`, `usernames`, and `people` share: their district, and the preview before they write."""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click

from rollcall.cli.grammar import district_argument
from rollcall.cli.options import open_warehouse
from rollcall.display.echo import echo, echo_json, echo_text

if TYPE_CHECKING:
    import sqlalchemy as sa

    from rollcall.district_edits.file import DistrictFile, Edit
    from rollcall.district_edits.impact import Impact


@dataclass(frozen=True)
class DistrictContext:
    """The district a command is about, and the warehouse it reads."""

    district: str
    warehouse: str | None

    def file(self) -> DistrictFile:
        from rollcall.district_edits.file import DistrictFile

        return DistrictFile.of(self.district)

    def engine(self) -> sa.Engine:
        return open_warehouse(self.warehouse)


def with_district(function: Callable[..., None]) -> Callable[..., None]:
    """Put DISTRICT before a command's own arguments. Pass it and `--warehouse` as a DistrictContext."""

    @functools.wraps(function)
    def called(district: str, warehouse: str | None, **options: Any) -> None:
        function(DistrictContext(district, warehouse), **options)

    return district_argument(called)


def settle(edit: Edit, moved: Impact, *, yes: bool, as_json: bool, more: dict[str, Any] | None = None) -> None:
    """Show how an edit affects people and the file, then write it if confirmed.

    Without `--yes`, it asks at a terminal. Without a terminal, it only shows.
    """
    from rollcall.district_edits.render import next_step, print_moves

    is_written = False
    if edit.changes_nothing:
        outcome = f"{edit.file.path.name} already has this setting. Nothing to write."
    else:
        if not as_json:
            print_moves(moved)
            echo_text(edit.diff())
        is_written = yes or (_is_interactive() and click.confirm(f"Write {edit.file.path.name}?", err=True))
        if is_written:
            edit.write()
            outcome = next_step(edit, moved)
        else:
            outcome = "Nothing was written. To write it, run the same command with --yes."
    if as_json:
        result = {"written": is_written, "moves": moved.plain(), "diff": edit.diff(), **(more or {})}
        echo_json(result)
    else:
        echo(outcome)


def _is_interactive() -> bool:
    return sys.stdin.isatty()


yes_option = click.option("--yes", is_flag=True, help="Write without asking, for scripts.")
