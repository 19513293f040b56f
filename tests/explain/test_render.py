"""What a terminal shows: values of the provider, literally."""

from __future__ import annotations

import io

from rollcall.display.terminal import open_console, table
from rollcall.explain.changes import PersonChange
from rollcall.explain.render import print_explanation, print_matches
from rollcall.explain.timeline import Answer, Explanation, PersonMatches, TimelineStep
from tests.explain.conftest import MORNING

#: Values that rich would read as a style, an emoji, or a closing tag.
TRAPS = ("[bold]Ada", "ext:ghost:", "[/] Lee", "[link=x]")


def test_an_explanation_prints_values_literally():
    for trap in TRAPS:
        answer = Answer(
            "decided", f"text {trap}", [f"cause {trap}"], f"owner {trap}", [("SIS", f"where {trap}")], "reply"
        )
        step = TimelineStep("received", "ok", [f"step {trap}"])
        change = PersonChange(MORNING, "changed", "person", f"label {trap}", f"old {trap}", f"new {trap}", "")
        explanation = Explanation(f"subject {trap}", f"id {trap}", answer, [f"note {trap}"], [step], [change])
        screen = io.StringIO()
        print_explanation(explanation, "America/Chicago", screen)
        for place in ("subject", "id", "note", "step", "abel", "old", "new", "text", "cause", "owner", "where"):
            assert f"{place} {trap}" in screen.getvalue()
        assert "November 20, 2026" in screen.getvalue()


def test_matches_and_tables_print_values_literally():
    for trap in TRAPS:
        screen = io.StringIO()
        match = dict.fromkeys(("name", "role", "school", "grade", "state", "sourced_id"), trap)
        print_matches(PersonMatches(trap, [match], more=False), screen)
        assert screen.getvalue().count(trap) == 7
        screen = io.StringIO()
        open_console(screen).print(table([{"role": trap, "people": 1200}], ["role", "people"], trap))
        assert (screen.getvalue().count(trap), "1,200" in screen.getvalue()) == (2, True)
