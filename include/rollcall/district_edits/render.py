"""Schools, fields, and the impact of a decision, for a terminal."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import IO

from rich.table import Table as Grid

from rollcall.display.dates import format_date
from rollcall.display.terminal import TextConsole, open_console, plain_grid
from rollcall.district_edits.fields import FieldFacts, UsernamePreview
from rollcall.district_edits.file import Edit
from rollcall.district_edits.impact import Impact
from rollcall.district_edits.persons import Decided
from rollcall.district_edits.sites import Schools

#: The number of people named. `--json` has all.
_NAMED = 10


def print_schools(schools: Schools, file: IO[str] | None = None) -> None:
    """The schools, undecided ones first, and how many people wait for a decision."""
    console = open_console(file)
    if schools.basis:
        console.print(schools.basis)
    grid = _grid("school", "sourcedId", "identifier", "students", "staff", "state", "suggestion")
    for school in schools.schools:
        site = f"{_site(school.suggestion, schools)}, " if school.suggestion else ""
        near = f"{site}{school.note}"
        heads = (f"{school.students:,}", f"{school.staff:,}")
        grid.add_row(school.name, school.sourced_id, school.identifier, *heads, school.state_text, near)
    console.print(grid)
    waiting = [school for school in schools.schools if school.state == "undecided" and school.life != "gone"]
    gone = [school for school in schools.schools if school.life in ("held", "gone") and school.state == "mapped"]
    key = schools.district.district
    if waiting:
        console.print(
            f"{_count(len(waiting), 'school')} undecided, {_count(schools.waiting, 'person waits', 'people wait')}. "
            f"Decide with: rollcall sites set {key} SCHOOL SITE, rollcall sites exclude {key} SCHOOL, "
            f"or rollcall sites suggest {key}"
        )
    if gone:
        console.print(f"{_count(len(gone), 'mapped school')} gone from the SIS.")
    if schools.district.sites is None:
        console.print(f"{key}.yaml names no sites, so every school is its own.")


def _site(site: str, schools: Schools) -> str:
    """`ME (Maple Elementary)`; a site whose name is its ID is named once."""
    name = schools.targets[site]
    return site if name == site else f"{site} ({name})"


def print_suggestions(schools: Schools, file: IO[str] | None = None) -> None:
    """A suggestion per undecided school, or why there is none, and the totals."""
    console = open_console(file)
    suggested = [school for school in schools.schools if school.suggestion]
    ambiguous = [school for school in schools.schools if school.note and not school.suggestion]
    rest = sum(school.state == "undecided" and not school.note for school in schools.schools)
    for school in suggested:
        console.print(f"{school.name} ({school.sourced_id}) → {_site(school.suggestion, schools)}: {school.note}")
    for school in ambiguous:
        console.print(f"{school.name} ({school.sourced_id}): {school.note}")
    console.print(f"{len(suggested)} suggested, {len(ambiguous)} ambiguous, {rest} without a match.")
    if suggested:
        console.print(f"To apply them: rollcall sites suggest {schools.district.district} --apply")


def print_moves(moved: Impact, file: IO[str] | None = None) -> None:
    """How many people get, lose, or change accounts, and between which sites."""
    console = open_console(file)
    if not moved.people:
        console.print("0 people: no account changes.")
        return
    parts = (
        (moved.gain, "get an account"),
        (moved.lose, "lose their account"),
        (moved.move, "change sites"),
        (moved.rename, "get another username"),
    )
    changes = ", ".join(f"{count:,} {what}" for count, what in parts if count)
    console.print(f"{_count(moved.people, 'person', 'people')}: {changes}.")
    grid = _grid("from", "to", "people")
    for (old, new), people in moved.ways.items():
        grid.add_row(old or "no account", new or "no account", f"{people:,}")
    if moved.ways:
        console.print(grid)


def next_step(edit: Edit, moved: Impact) -> str:
    """What to run after the file was written."""
    key = edit.district.district
    if moved.is_published:
        return f"Written. To apply it to the published roster, without SIS requests: rollcall sync {key} --remap"
    return f"Written. The first publication uses it: tonight, or now with: rollcall sync {key}"


def print_fields(facts: Sequence[FieldFacts], basis: str = "", file: IO[str] | None = None) -> None:
    """The fields side by side, one table per role.

    :param basis: what the numbers are based on, if it is not the published roster.
    """
    console = open_console(file)
    if basis:
        console.print(basis)
    for role in dict.fromkeys(fact.role for fact in facts):
        theirs = [fact for fact in facts if fact.role == role]
        grid = _grid("", "field", "filled", "distinct", "collisions", "changed", "example", "verdict")
        grid.title = f"{role}, {_count(theirs[0].people, 'person', 'people')}"
        for fact in theirs:
            changed = "" if fact.changed is None else f"{fact.changed:,}"
            numbers = (f"{fact.filled:,}", f"{fact.distinct:,}", f"{fact.collisions:,}", changed)
            words = (fact.field, *numbers, fact.example, fact.verdict)
            grid.add_row("best" if fact.is_best else "", *words)
        console.print(grid)


def print_preview(shown: UsernamePreview, file: IO[str] | None = None) -> None:
    """Coverage, collisions with both people, and changed usernames."""
    console = open_console(file)
    grid = _grid("role", "with a username", "no value", "wrong format", "collisions")
    for part in shown.coverage:
        counts = (part.with_username, part.no_username, part.username_pattern, part.username_collision)
        grid.add_row(part.role, *(f"{count:,}" for count in counts))
    console.print(grid)
    if shown.as_if_own_sites:
        console.print("No school is mapped yet. This preview treats every school as its own site.")
    for collision in shown.collisions[:_NAMED]:
        without, other = collision.without.description, collision.other.description
        who = f"{without}, and {other}: neither gets it" if collision.neither else f"{other} keeps it, not {without}"
        console.print(f"  {collision.username}: {who}")
    _more(console, len(shown.collisions), "collision")
    if shown.moves.is_published:
        console.print(f"{len(shown.renamed):,} of {shown.published:,} published usernames would change.")
    for renamed in shown.renamed[:_NAMED]:
        console.print(f"  {renamed.old} → {renamed.new}  ({renamed.person.description})")
    _more(console, len(shown.renamed), "change")


def print_decisions(made: Sequence[Decided], file: IO[str] | None = None) -> None:
    """The decisions about single people."""
    console = open_console(file)
    if not made:
        console.print("0 decisions about single people.")
        return
    grid = _grid("sourcedId", "who", "decision", "from", "until", "reason")
    for one in made:
        who = one.person.description if one.person else "not in the roster"
        what = "excluded" if one.decision.exclude else f"username {one.decision.username}"
        first = f"{_date(one.decision.from_)}{' (not yet)' if one.is_yet_to_begin else ''}"
        until = f"{_date(one.decision.until)}{' (over)' if one.is_over else ''}"
        grid.add_row(one.sourced_id, who, what, first, until, one.decision.reason)
    console.print(grid)


def _more(console: TextConsole, count: int, what: str) -> None:
    if count > _NAMED:
        console.print(f"  and {_count(count - _NAMED, f'more {what}')}. --json has all.")


def _count(count: int, one: str, many: str = "") -> str:
    return f"{count:,} {one if count == 1 else many or f'{one}s'}"


def _date(night: date | None) -> str:
    return format_date(night) if night else ""


def _grid(*columns: str) -> Grid:
    grid = plain_grid()
    numbers = ("students", "staff", "people", "filled", "distinct", "collisions", "changed")
    for name in columns:
        is_number = name in numbers
        grid.add_column(name, justify="right" if is_number else "left", no_wrap=is_number, overflow="fold")
    return grid
