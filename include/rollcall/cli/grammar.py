"""The grammar of the command line: `rollcall GROUP VERB DISTRICT …`, its examples, and help with typing mistakes."""

from __future__ import annotations

import difflib
import shlex
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import click

from rollcall.settings import district_files

F = TypeVar("F", bound=Callable[..., Any])

#: Verbs that people guess. The first one that a group has is the verb it uses.
_SYNONYMS = {
    "choose": ("set",),
    "clear": ("undecide",),
    "compare": ("list",),
    "create": ("add",),
    "delete": ("purge", "clear", "undecide"),
    "get": ("show", "list"),
    "leave-out": ("exclude",),
    "list": ("compare",),
    "ls": ("list", "compare"),
    "map": ("set",),
    "migrate": ("upgrade",),
    "remove": ("purge", "clear", "undecide"),
    "rename": ("set-username",),
    "undecide": ("clear",),
    "username": ("set-username",),
}


class CommandGroup(click.Group):
    """A group whose errors name the command that was probably meant."""

    def resolve_command(
        self, context: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        name = args[0]
        if self.get_command(context, name) is None and not name.startswith("-"):
            context.fail(self._did_you_mean(context, name, args[1:]))
        return super().resolve_command(context, args)

    def _did_you_mean(self, context: click.Context, name: str, rest: Sequence[str]) -> str:
        """The error for a word that is not a verb: a district before the verb, a synonym, or a typing mistake."""
        verbs = self.list_commands(context)
        typed = f"There is no `{_command(context, name)}`."
        if meant := _verb(name, verbs):
            return f"{typed} Use: {_command(context, meant, *rest)}"
        for place, word in enumerate(rest):
            if verb := _verb(word, verbs):
                after = [*rest[:place], *rest[place + 1 :]]
                return f"{typed} The verb comes before the district: {_command(context, verb, name, *after)}"
        shows = _verb("list", verbs)
        if shows and name in known_districts():
            return f"{typed} The verb comes before the district: {_command(context, shows, name)}"
        if near := difflib.get_close_matches(name, verbs, n=1, cutoff=0.6):
            return f"{typed} Did you mean: {_command(context, near[0], *rest)}"
        return f"{typed} Choose from: {', '.join(verbs)}."


def _verb(word: str, verbs: Sequence[str]) -> str:
    """The verb for a word: the word itself or a synonym; empty if there is none."""
    return next((verb for verb in (word, *_SYNONYMS.get(word, ())) if verb in verbs), "")


def _command(context: click.Context, *words: str) -> str:
    path = context.command_path.removeprefix("python -m ")
    return " ".join([f"rollcall{path.partition('rollcall')[2]}", *map(shlex.quote, words)])


def known_districts() -> list[str]:
    """The IDs of all district files."""
    return [path.stem for path in district_files()]


class DistrictType(click.ParamType):
    """A district's ID, or the path to its YAML file. An error lists the known districts."""

    name = "district"

    def get_missing_message(self, param: click.Parameter, ctx: click.Context | None) -> str:  # noqa: ARG002
        known = known_districts()
        if not known:
            return "There are no district files yet. Add one: rollcall districts add DISTRICT mail.txt"
        shown = ", ".join(known[:12])
        more = f", and {len(known) - 12:,} more (rollcall districts list)" if len(known) > 12 else ""
        return f"Districts: {shown}{more}."


def district_argument(command: F) -> F:
    """The argument DISTRICT of a district that exists."""
    return click.argument("district", type=DistrictType())(command)


def optional_district_argument(command: F) -> F:
    """The argument [DISTRICT]."""
    return click.argument("district", type=DistrictType(), required=False)(command)


def examples(*commands: str) -> str:
    """The end of a command's help: commands to copy."""
    title = "Example" if len(commands) == 1 else "Examples"
    return "\n".join(["\b", f"{title}:", *(f"  rollcall {command}" for command in commands)])
