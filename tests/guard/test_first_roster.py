"""What is published for the first time has to be proven complete, or agreed to: a third of a roster is none."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import sqlalchemy as sa

from rollcall.holds import decisions, queries, render
from rollcall.landing.pull import Proof
from rollcall.orchestration import required_actions
from tests.conftest import Nights

_TABLES = ("orgs", "academic_sessions", "courses", "classes", "users", "user_roles", "enrollments", "accounts")


def _cut_off(received: int, of: int | None = 9) -> Proof:
    return Proof(
        kind="unproven", expected=of, received=received, unique=received, pages=1, rows_per_page=5, reason="cut off?"
    )


def _told(done: Any) -> list[tuple[str, str, int, int]]:
    return [(hold.collection, hold.kind, hold.rows, hold.published) for hold in done.holds]


def _live(nights: Nights) -> dict[str, int]:
    return {name: len(nights.live(name, "_run_id")) for name in _TABLES}


def _statuses(nights: Nights) -> list[tuple[str, str, str | None]]:
    with nights.engine.connect() as connection:
        query = "SELECT collection, status, closed_reason FROM roster_ops.holds ORDER BY collection, opened_at"
        return [tuple(row) for row in connection.execute(sa.text(query))]


@pytest.fixture
def decided(nights: Nights) -> Callable[..., decisions.Decision]:
    """Approves the living hold of a collection the way a person does, or rejects it."""

    def agree(collection: str, verdict: Callable[..., decisions.Decision] = decisions.approve) -> decisions.Decision:
        with nights.engine.begin() as connection:
            [held] = [one for one in queries.active_holds(connection) if one.collection == collection]
            return verdict(connection, held.hold_id, by="robin", reason="the school is small")

    return agree


@pytest.mark.parametrize("collection", ["orgs", "academic_sessions", "classes", "users", "enrollments"])
def test_nothing_of_a_first_roster_is_published_while_any_of_it_is_unproven(nights, roster, collection):
    done = nights.publish(roster("ada", "ben"), unproven={collection: _cut_off(2)})
    assert (done.exit_code, done.accounts, _told(done)) == (3, 0, [(collection, "additions", 2, 0)])
    what = collection.replace("_", " ")
    sentence = f"2 of 9 {what} received, and no proof that these are all (cut off?)"
    assert done.holds[0].looks_like == f"{sentence}; nothing of the first roster is published"
    assert set(_live(nights).values()) == {0}
    assert nights.scalar("SELECT count(*) FROM roster_history.users") == 0
    assert nights.scalar("SELECT count(*) FROM roster_ops.watermarks") == 0
    assert "received again" in nights.scalar("SELECT full_required FROM roster_ops.state")

    done = nights.publish(roster("ada", "ben"))
    assert (done.exit_code, done.accounts, done.holds) == (0, 2, [])
    assert _live(nights)["enrollments"] == 2
    assert _statuses(nights) == [(collection, "closed", "published")]


def test_an_approval_publishes_it_once_and_later_nights_ask_nobody(nights, roster, decided):
    proofs = {"users": _cut_off(2)}
    nights.publish(roster("ada", "ben"), unproven=proofs)
    approved = decided("users")
    assert (approved.approved, approved.next_command) == (1, "rollcall sync elm --full")
    done = nights.publish(roster("ada", "ben"), unproven=proofs)
    assert (done.exit_code, done.accounts, done.holds) == (0, 2, [])
    assert _statuses(nights) == [("users", "closed", "published")]
    done = nights.publish(roster("ada", "ben", "cid"), unproven={"users": _cut_off(3)})
    assert (done.exit_code, done.accounts, done.holds) == (0, 3, [])


def test_an_approval_of_so_many_is_none_of_fewer(nights, roster, decided):
    nights.publish(roster("ada", "ben"), unproven={"users": _cut_off(2)})
    decided("users")
    done = nights.publish(roster("ada"), unproven={"users": _cut_off(1)})
    assert (done.exit_code, _told(done), _live(nights)["orgs"]) == (3, [("users", "additions", 1, 0)], 0)
    assert _statuses(nights) == [("users", "open", None)]


def test_each_unproven_collection_is_a_question_and_one_answer_publishes_nothing_yet(nights, roster, decided):
    proofs = {"users": _cut_off(2), "enrollments": _cut_off(2)}
    assert len(nights.publish(roster("ada", "ben"), unproven=proofs).holds) == 2
    decided("users")
    done = nights.publish(roster("ada", "ben"), unproven=proofs)
    assert (_told(done), _live(nights)["users"]) == ([("enrollments", "additions", 2, 0)], 0)
    assert [row[:2] for row in _statuses(nights)] == [("enrollments", "open"), ("users", "approved")]
    decided("enrollments")
    assert nights.publish(roster("ada", "ben"), unproven=proofs).exit_code == 0
    assert {row[1:] for row in _statuses(nights)} == {("closed", "published")}


def test_what_is_rejected_stays_out_until_it_is_proven(nights, roster, decided):
    nights.publish(roster("ada"), unproven={"users": _cut_off(1)})
    decided("users", decisions.reject)
    done = nights.publish(roster("ada"), unproven={"users": _cut_off(1)})
    assert (done.holds, done.accounts, _live(nights)["users"]) == ([], 0, 0)
    assert nights.publish(roster("ada")).accounts == 1


def test_a_provider_without_a_total_whose_pages_ended_is_proven(nights, roster):
    ended = Proof(kind="empty_page", expected=None, received=1, unique=1, pages=2, rows_per_page=1)
    assert nights.publish(roster("ada"), unproven={"users": ended}).accounts == 1


@pytest.mark.parametrize("late", ["demographics", "classes"])
def test_a_collection_that_comes_later_waits_by_itself_with_what_refers_to_it(nights, roster, late, decided):
    along = {"classes": ("class_terms", "enrollments"), "demographics": ()}[late]
    rows = roster("ada", "ben") | {"demographics": [{"sourced_id": "ada"}, {"sourced_id": "ben"}]}
    before = {name: some for name, some in rows.items() if name not in (late, *along)}
    nights.publish(before)
    rows["users"].append({**rows["users"][0], "sourced_id": "cid", "email": "cid@elm.example", "identifier": "cid"})
    rows["user_roles"].append({**rows["user_roles"][0], "user_sourced_id": "cid"})
    count = len(rows[late])
    done = nights.publish(rows, unproven={late: _cut_off(count)})
    assert (done.exit_code, _told(done)) == (3, [(late, "additions", count, 0)])
    assert (done.accounts, [len(nights.live(name, "_run_id")) for name in (late, *along)]) == (
        3,
        [0] * (1 + len(along)),
    )
    assert done.counts[late].held == count
    assert all(done.counts[name].rejected == 0 for name in along)
    decided(late)
    done = nights.publish(rows, unproven={late: _cut_off(count)})
    assert (done.exit_code, done.counts[late].added) == (0, count)
    assert [len(nights.live(name, "_run_id")) > 0 for name in along] == [True] * len(along)


def test_a_collection_that_readers_lost_altogether_is_new_again(nights, roster):
    nights.publish(roster("ada"))
    gone = roster("ada") | {"enrollments": [{"sourced_id": "e-ada", "status": "tobedeleted"}]}
    nights.publish(gone)
    done = nights.publish(roster("ada"), unproven={"enrollments": _cut_off(1)})
    assert _told(done) == [("enrollments", "additions", 1, 0)]


@pytest.mark.parametrize(("missing", "rule"), [("users", "orphan_user"), ("classes", "orphan_class")])
def test_a_refused_reference_says_that_its_target_may_be_among_what_was_not_received(nights, roster, missing, rule):
    nights.publish(roster("ada"))
    rows = roster("ada", "ben")
    rows["enrollments"][1].update(
        {"users": {"user_sourced_id": "gone"}, "classes": {"class_sourced_id": "gone"}}[missing]
    )
    reason = f"SELECT reason FROM roster_ops.rejects WHERE rule = '{rule}' ORDER BY run_id DESC LIMIT 1"
    nights.publish(rows)
    assert "nothing proves" not in nights.scalar(reason)
    nights.publish(rows, unproven={missing: _cut_off(2)})
    assert f"2 of 9 {missing} were received, and nothing proves that these are all" in nights.scalar(reason)


def test_the_question_says_received_of_total_and_what_an_answer_does(nights, roster):
    nights.publish(roster("ada", "ben"), unproven={"users": _cut_off(2)})
    with nights.engine.connect() as connection:
        [held] = queries.active_holds(connection)
        lines = dict(render.render_details(held, queries.rows_by_school(connection, held)))
    assert lines["Held"] == "the first publication of people, 2 received"
    assert lines["Looks like"].startswith("2 of 9 users received")
    assert {"Meanwhile", "Approve", "Reject", "Nothing"} <= lines.keys()
    assert render.apply_mode(held) == "full"


def test_airflow_asks_it_like_every_other(nights, roster):
    nights.publish(roster("ada", "ben"), unproven={"users": _cut_off(2)})

    class Warehouse:
        password = port = None
        host, schema, login = (nights.engine.url.query["host"], nights.engine.url.database, nights.engine.url.username)

    [asked] = required_actions.open_questions("elm", Warehouse()).values()
    subject, body = required_actions.render_question(asked, Warehouse())
    assert (subject, "2 of 9 users received" in body) == ("Elm: the first publication of people, 2 received", True)
    assert required_actions.record_answer(asked, ["Approve"], "Robin", "", Warehouse()) == {
        "district": "elm",
        "mode": "full",
    }
