"""A question as Airflow asks it, and what becomes of the answer; the same from a terminal."""

from __future__ import annotations

import html
import io
import json
import re

import pytest
import sqlalchemy as sa
from click.testing import CliRunner, Result

from rollcall.cli.holds import holds as command
from rollcall.errors import ActionRequired
from rollcall.holds import queries
from rollcall.holds.table import print_hold, print_holds
from rollcall.orchestration import required_actions


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


class Warehouse:
    """The fields of Airflow's connection."""

    password = port = None

    def __init__(self, engine):
        self.host, self.schema, self.login = engine.url.query["host"], engine.url.database, engine.url.username


@pytest.fixture
def warehouse(held):
    return Warehouse(held.engine)


@pytest.fixture
def run(held):
    """`rollcall holds …`."""
    url = held.engine.url.render_as_string(hide_password=False)

    def call(*arguments: str) -> Result:
        return CliRunner().invoke(command, [*arguments, "--warehouse", url], catch_exceptions=False)

    return call


def test_a_question_is_counts_and_schools_and_names_nobody(held, warehouse):
    [(run_id, asked)] = required_actions.open_questions("elm", warehouse).items()
    assert run_id.startswith(f"{held.one().hold_id}__2")
    subject, body = required_actions.render_question(asked, warehouse)
    assert subject == "Elm: the removal of 2 people"
    assert "- **Where:** Elm School 2\n" in body
    for outcome in ("Meanwhile", "Approve", "Reject", "Nothing"):
        assert f"**{outcome}:**" in body
    assert [name for name in ("Ben", "Cid", "Okonkwo", "elm.example") if name in subject + body] == []


def test_the_answer_is_written_with_who_gave_it_and_says_what_to_run(held, warehouse):
    [asked] = required_actions.open_questions("elm", warehouse).values()
    run = required_actions.record_answer(asked, ["Approve"], "Robin", "", warehouse)
    assert run == {"district": "elm", "mode": "remap"}
    hold = held.one()
    assert (hold.status, hold.decided_by, hold.reason) == ("approved", "Robin", "decided in Airflow")
    assert required_actions.open_questions("elm", warehouse) == {}


def test_an_answer_to_a_question_that_is_none_any_more_changes_nothing(held, roster, warehouse, run):
    [(first, asked)] = required_actions.open_questions("elm", warehouse).items()
    run("reject", "elm", "--reason", "they are there")
    assert required_actions.render_question(asked, warehouse) is None
    assert required_actions.record_answer(asked, ["Approve"], "Robin", "", warehouse) is None
    assert held.one().status == "rejected"
    # three more go: another question, whose run is another one
    held.publish(roster("ada", "dan", "eve", "fay"))
    for _ in range(2):
        held.publish(roster("ada"))
    [(second, asked_now)] = required_actions.open_questions("elm", warehouse).items()
    assert (first != second, required_actions.render_question(asked, warehouse)) == (True, None)
    assert required_actions.record_answer(asked_now, ["Reject"], "Robin", "on holiday", warehouse) is None
    assert (held.one().status, held.one().reason) == ("rejected", "on holiday")


def test_list_and_show_fit_a_screen_and_say_all_there_is_to_know(held, run):
    hold_id = held.one().hold_id
    listed = run("list")
    assert hold_id in listed.output
    assert "the removal of 2 people" in listed.output
    shown = run("show", "elm", "elm-users").output
    labels = [line[2:14].strip() for line in shown.splitlines()[1:]]
    assert labels[:4] == ["Held", "Status", "Since", "Where"]
    assert labels[-8:-3] == ["For example", "Meanwhile", "Approve", "Reject", "Nothing"]
    assert "ben (Ben Planted-Okonkwo), cid (Cid Planted-Okonkwo)" in shown
    assert len(shown.splitlines()) < 24
    rows = json.loads(run("show", "elm", "elm-users", "--json").output)["named_rows"]
    assert [(row["table_name"], row["key"], row["change"]) for row in rows] == [
        ("users", ["ben"], "removed"),
        ("users", ["cid"], "removed"),
    ]


def test_approve_says_what_it_approved_what_stays_and_the_next_command(held, run):
    output = run("approve", "elm", "users", "--except", "cid", "--reason", "moved away").output
    assert "1 rows approved until" in output
    assert "1 stay held." in output
    assert "To publish it now: rollcall sync elm --remap" in output
    [living] = json.loads(run("list", "elm", "--json").output)
    assert (living["status"], living["approved_rows"], living["reason"]) == ("approved", 1, "moved away")


def test_a_school_is_text_in_the_markdown_of_airflow(held, warehouse):
    name = "![x](https://evil.example/p.png) <b>Elm</b> www.evil.example"
    with held.engine.begin() as connection:
        connection.execute(sa.text("UPDATE roster_staging.orgs SET name = :name"), {"name": name})
    [asked] = required_actions.open_questions("elm", warehouse).values()
    _, body = required_actions.render_question(asked, warehouse)
    where = next(line for line in body.splitlines() if line.startswith("- **Where:**"))
    assert html.unescape(where) == f"- **Where:** {name} 2"
    for markup in ("![", "](", "<b>", "https:", "www."):
        assert markup not in where


@pytest.mark.parametrize("width", [80, 60])
def test_a_terminal_of_80_columns_shows_everything(held, run, monkeypatch, width):
    monkeypatch.setenv("COLUMNS", str(width))
    with held.engine.connect() as connection:
        active = queries.active_holds(connection)
        where = queries.rows_by_school(connection, active[0])
    file = Terminal()
    print_holds(active, file)
    print_hold(active[0], where, ["ben (Ben Planted-Okonkwo)"], file)
    printed = re.sub("\x1b\\[[0-9;]*m", "", file.getvalue())
    assert max(len(line) for line in printed.splitlines() if "rollcall holds" not in line) <= width
    assert printed.count(active[0].hold_id) >= 4
    assert "November 3, 2026" in printed


def test_a_hold_is_named_after_its_district(held, run):
    hold_id = held.one().hold_id
    for name in ((), ("users",), ("elm-us",), (hold_id,)):
        assert json.loads(run("show", "elm", *name, "--json").output)["hold_id"] == hold_id
    for arguments, code, expected in (
        (("show", "elms"), "district_unknown", "folder of your districts"),
        (("list", "oak"), "district_unknown", "folder of your districts"),
        (("approve", "elm", "classes", "--reason", "x"), "no_such_hold", "rollcall holds list"),
    ):
        with pytest.raises(ActionRequired) as caught:
            run(*arguments)
        assert (caught.value.code, expected in caught.value.remedy) == (code, True)
    run("reject", "elm", "--reason", "they are there")
    run("approve", "elm", "--reason", "they are gone after all")
    assert held.one().status == "approved"
