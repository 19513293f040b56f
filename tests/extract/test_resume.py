"""A retry of the same run goes on behind the last page that was landed, unless too much has changed since."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest

from rollcall.extract import collection as collection_module
from rollcall.extract.pull import Plan
from rollcall.model.tables import ROSTERING_COLLECTIONS
from rollcall.oneroster.errors import ProviderUnavailable

BEGAN = datetime(2026, 11, 21, 8, tzinfo=UTC)
PAGE = 50
#: One collection after the other, so that what was asked until the drop is certain. Users come after enrollments.
SERIAL = {"extract": {"concurrency": 1}}


class Dropped(BaseException):
    """Stands for the end of the process."""


def drops_after(trial: Any, collection: str, rows: int, *quirks: str) -> Callable[..., None]:
    """From that page on the connection is closed in the middle of every answer.

    :param quirks: other ones that stay.
    """

    def progress(reported: str, came: int, *_: Any) -> None:
        if (reported, came) == (collection, rows):
            trial.sandbox.set_quirks(trial.app.app, ["drop-always", *quirks])

    return progress


def pull(trial: Any, **how: Any) -> Any:
    settings = SERIAL | how.pop("settings", {})
    clock = how.pop("clock", BEGAN)
    return trial.pull(page_size=PAGE, concurrency=1, settings=settings, now=lambda: clock, **how)


def drop(trial: Any, rows: int = 2 * PAGE, **how: Any) -> Counter[str]:
    """A pull that is dropped in its users after so many rows; what the provider was asked for."""
    with trial.counting() as asked, pytest.raises(ProviderUnavailable, match="users: ") as caught:
        pull(trial, progress=drops_after(trial, "users", rows), **how)
    assert caught.value.code == "answer_cut_off"
    trial.sandbox.set_quirks(trial.app.app, ())
    return asked


def pages(trial: Any, collection: str) -> int:
    return -(-trial.truth()[collection] // PAGE)


def test_it_goes_on_behind_the_last_good_page(elm: Any) -> None:
    undisturbed = pull(elm, run_id="another")
    asked = drop(elm)
    assert asked["/enrollments"] == pages(elm, "enrollments") + 1
    assert asked["/users"] == 3
    assert "/classes" not in asked
    with elm.counting() as again:
        pulled = pull(elm, clock=BEGAN + timedelta(minutes=30))
    assert again == {
        "/orgs": 1,  # looking where the service is
        "/users": 1 + pages(elm, "users") - 2 + 1,  # the last page once more, the others, behind the end
        "/classes": pages(elm, "classes") + 1,
        "/courses": pages(elm, "courses") + 1,
    }
    assert pulled.counts() == elm.truth()
    for name in ROSTERING_COLLECTIONS:
        assert pulled[name].proof == undisturbed[name].proof
    for table in ("users", "user_roles", "user_agents", "enrollments"):
        assert pulled.rows(table) == undisturbed.rows(table)
    assert pulled.manifest.as_of == BEGAN
    assert pulled.ref.pull_id.startswith("20261121T080000Z-")
    seen = elm.seen()
    others = sum((undisturbed.manifest.usage.requests, pulled.manifest.usage.requests))
    # each of the three looks for the service once in vain, which the sandbox does not count
    assert others == sum(seen["requests"].values()) + seen["token_requests"] + 3


def test_collections_and_pages_that_are_read_in_parallel_go_on_too(elm: Any) -> None:
    how = {"page_size": 20, "now": lambda: BEGAN}
    undisturbed = elm.pull(run_id="another", **how)
    with elm.quirks(), elm.counting() as asked, pytest.raises(ProviderUnavailable):
        elm.pull(progress=drops_after(elm, "enrollments", 200), **how)
    with elm.counting() as again:
        pulled = elm.pull(**how)
    assert asked["/enrollments"] >= 10
    assert again["/enrollments"] <= 1 + -(-elm.truth()["enrollments"] // 20) - 10 + 1
    assert again["/orgs"] == 1
    assert pulled.counts() == elm.truth()
    for table in ("users", "user_roles", "enrollments", "classes", "class_terms"):
        assert pulled.rows(table) == undisturbed.rows(table)
    for (
        name
    ) in ROSTERING_COLLECTIONS:  # the request behind a total may have been dropped too, which the proof then says
        assert msgspec.structs.replace(pulled[name].proof, reason="") == undisturbed[name].proof


def test_what_was_refused_is_kept_and_counted_once(elm: Any) -> None:
    odd = ("record-not-an-object", "bad-field-type")
    with elm.quirks(*odd), pytest.raises(ProviderUnavailable):
        pull(elm, progress=drops_after(elm, "users", PAGE, *odd))
    with elm.quirks(*odd), elm.counting() as again:
        users = pull(elm)["users"]
    assert again["/users"] == 1 + pages(elm, "users") - 1 + 1
    assert (users.rows("users"), users.unreadable, users.unidentified) == (elm.truth()["users"] - 2, 2, 1)
    assert (users.proof.kind, users.proof.reason) == ("total", "")


def test_after_a_finished_pull_only_the_pull_is_left(elm: Any) -> None:
    drop(elm)
    pulled = pull(elm)
    folder = pulled.folder.path
    named = {part.name for one in pulled.collections.values() for parts in one.parts.values() for part in parts}
    assert {str(file.relative_to(elm.landing.url)) for file in elm.files()} == {
        f"{folder}/{name}" for name in {*named, "extract/manifest.json"}
    }


@pytest.mark.parametrize(
    "changed",
    [
        {"clock": BEGAN + timedelta(minutes=30, seconds=1)},
        {"plan": Plan("delta", since={"courses": BEGAN})},
        {"plan": Plan("full", school_years=frozenset({"1001"}))},
        {"run_id": "another"},
        {"collections": ["enrollments", "users"]},
        {"settings": {"roles": {"guardian": "drop"}}},
    ],
    ids=["too late", "another plan", "other school years", "another run", "other collections", "other roles"],
)
def test_otherwise_a_new_pull_begins(changed: dict[str, Any], elm: Any) -> None:
    drop(elm)
    with elm.counting() as again:
        pulled = pull(elm, **changed)
    assert pulled.manifest.as_of == changed.get("clock", BEGAN)
    assert again["/enrollments"] == pages(elm, "enrollments") + 1
    assert again["/users"] == pages(elm, "users") + 1
    assert pulled["users"].proof.proven
    assert len([path for path in elm.files() if path.name == "manifest.json" and "pull=" in str(path)]) == 1


def test_the_reason_may_be_told_in_other_words(elm: Any) -> None:
    drop(elm, plan=Plan("full", reason="it is Sunday"))
    with elm.counting() as again:
        pull(elm, plan=Plan("full", reason="everything was asked for"))
    assert "/enrollments" not in again


def test_half_an_hour_counts_from_the_last_page(elm: Any) -> None:
    drop(elm)
    drop(elm, rows=3 * PAGE, clock=BEGAN + timedelta(minutes=25))
    with elm.counting() as again:
        pulled = pull(elm, clock=BEGAN + timedelta(minutes=50))
    assert again["/users"] == 1 + pages(elm, "users") - 3 + 1
    assert pulled.manifest.as_of == BEGAN
    assert pulled.counts() == elm.truth()


def test_a_finished_pull_is_not_gone_on_with(elm: Any) -> None:
    first = pull(elm)
    with elm.counting() as again:
        second = pull(elm)
    assert first.ref.pull_id != second.ref.pull_id
    assert again["/enrollments"] == pages(elm, "enrollments") + 1


def test_a_page_that_is_another_now_begins_the_collection_again(elm: Any) -> None:
    drop(elm)
    there = elm.truth()
    elm.sandbox.pass_night("elm")
    pulled = pull(elm)
    assert pulled.counts() == elm.truth() | {name: there[name] for name in ("enrollments", "demographics")}
    ids = [row["sourced_id"] for row in pulled.rows("users")]
    assert len(ids) == len(set(ids))
    assert pulled["users"].proof.proven


def test_people_who_are_not_to_land_leave_nothing_to_go_on_from(elm: Any) -> None:
    roles = {"settings": {"roles": {"guardian": "drop"}}}
    undisturbed = pull(elm, run_id="another", **roles)
    drop(elm, **roles)
    with elm.counting() as again:
        pulled = pull(elm, **roles)
    assert "/enrollments" not in again
    assert again["/users"] == pages(elm, "users") + 1
    assert pulled["users"].not_landed == undisturbed["users"].not_landed > 0
    assert pulled.rows("users") == undisturbed.rows("users")


def test_what_lay_in_files_is_gone_on_with_after_a_sudden_end(elm: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(collection_module, "ROWS_PER_PART", PAGE)

    def progress(reported: str, came: int, *_: Any) -> None:
        if (reported, came) == ("users", 2 * PAGE):
            raise Dropped

    with pytest.raises(Dropped):
        pull(elm, progress=progress)
    with elm.counting() as again:
        pulled = pull(elm)
    assert "/enrollments" not in again
    assert again["/users"] == 1 + pages(elm, "users") - 2 + 1
    assert pulled.counts() == elm.truth()


def test_a_delta_stays_the_delta_it_was(elm: Any) -> None:
    elm.sandbox.pass_night("elm", 2)
    since = dict.fromkeys(("enrollments", "users"), datetime(2026, 11, 22, tzinfo=UTC))
    plan = Plan("delta", since=since, school_years=frozenset({"1001"}))
    undisturbed = elm.pull(page_size=10, plan=plan)
    with elm.quirks(), pytest.raises(ProviderUnavailable):
        elm.pull(page_size=10, concurrency=1, settings=SERIAL, plan=plan, progress=drops_after(elm, "users", 10))
    with elm.counting() as again:
        pulled = elm.pull(page_size=10, concurrency=1, settings=SERIAL, plan=plan)
    assert again["/users"] == 1 + -(-undisturbed.counts()["users"] // 10) - 1 + 1  # without asking about the filter
    assert pulled.counts() == undisturbed.counts()
    assert pulled["users"].since == since["users"]
    assert pulled.manifest.mode == "delta"
