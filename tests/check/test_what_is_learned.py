"""What a check learns of a provider, against the sandbox as it is and with its quirks."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from rollcall.check.profile import Org, ProviderProfile, profile_changes
from rollcall.settings import ExtractSettings
from tests.check.conftest import step
from tests.oneroster.conftest import Reply, Request

STEPS = ["connection", "dns", "tls", "token", "base_url"]
COLLECTIONS = ["orgs", "academic_sessions", "courses", "classes", "users", "enrollments"]
LATER = ["page_size", "delta_filter", "schools", "district"]


@pytest.mark.parametrize("app", ["maple", "cedar", "aspen"])
def test_a_good_connection(checked, sandbox, app):
    found = checked(app, described={"demographics": app == "cedar"})
    demographics = ["demographics"] if app == "cedar" else []
    assert [taken.name for taken in found.steps] == [*STEPS, *COLLECTIONS, *demographics, *LATER]
    assert found.passed
    truth = sandbox.truth(app)
    names = {"academicSessions": "academic_sessions"}
    totals = {names.get(name, name): counts["total"] for name, counts in truth["collections"].items()}
    assert found.rows == {name: totals[name] for name in found.rows}
    profile = found.profile
    assert (profile.totals, profile.links, profile.filter_obeyed) == (True, True, True)
    assert profile.demographics is (True if app == "cedar" else None)
    assert profile.envelopes["academic_sessions"] == "academicSessions"
    assert profile.district_org.name == truth["name"]
    assert set(profile.schools.values()) == {school.name for school in found.schools}
    assert step(found, "district").message == f"{truth['name']} ({profile.district_org.sourced_id})"


def test_it_asks_for_one_thing_at_a_time_and_for_one_page_only(checked, sandbox):
    before = sandbox.seen("maple")
    checked("maple")
    after = sandbox.seen("maple")
    asked = {path: count - before["requests"].get(path, 0) for path, count in after["requests"].items()}
    # the Base URL is tried, then found; orgs are the only collection that is read to its end
    assert after["token_requests"] - before["token_requests"] == 1
    assert {path: asked[path] for path in ("/courses", "/classes", "/academicSessions")} == {
        "/courses": 1,
        "/classes": 1,
        "/academicSessions": 1,
    }
    assert after["most_at_once"] == 1


@pytest.mark.parametrize(
    ("quirks", "page_size", "cap", "said"),
    [
        ([], 1000, 1000, "1,000 records per page, as requested"),
        ([], 5000, None, "limit not reached: the largest collection, enrollments, has one page of 1,084"),
        (
            ["clamp-500"],
            1000,
            500,
            "500 records per page; 1,000 requested",
        ),
        (
            ["clamp-500", "no-totals"],
            1000,
            500,
            "500 records per page; 1,000 requested",
        ),
    ],
)
def test_the_real_page_cap(checked, sandbox, quirks, page_size, cap, said):
    sandbox.set_quirks("maple", quirks)
    found = checked("maple", described={"extract": ExtractSettings(page_size=page_size)})
    assert step(found, "page_size").message == said
    assert found.profile.page_cap == cap
    assert found.profile.totals is ("no-totals" not in quirks)


@pytest.mark.parametrize("status", [400, 413, 422])
def test_a_limit_that_is_refused_is_asked_for_again_smaller(checked, sandbox, status):
    sandbox.set_quirks("maple", [f"limit-refused-{status}"])
    found = checked("maple")
    assert (step(found, "page_size").outcome, step(found, "page_size").message) == (
        "pass",
        "100 records per page; the provider refuses 1,000",
    )
    assert (found.profile.largest_limit, found.profile.page_cap) == (100, 100)
    assert found.passed
    sandbox.set_quirks("maple", [])
    assert checked("maple").profile.largest_limit == 0


@pytest.mark.parametrize(
    ("quirks", "page_size", "outcome", "mistakes"),
    [
        (["repeat-page-one"], 1000, "fail", ["offset_ignored"]),
        (["repeat-page-one", "no-totals"], 1000, "fail", ["offset_ignored"]),
        (["repeat-page-one"], 5000, "warning", ["offset_ignored_so_far"]),
        (["repeat-page-one", "no-totals"], 5000, "fail", ["offset_ignored"]),
        (["past-end-page-one", "no-totals"], 5000, "pass", []),
        (["past-end-404", "no-totals"], 5000, "pass", []),
        (["unstable-sort"], 1000, "pass", []),
    ],
)
def test_an_offset_that_is_ignored_is_noticed_where_paging_is_tried(
    checked, sandbox, quirks, page_size, outcome, mistakes
):
    sandbox.set_quirks("maple", quirks)
    found = checked("maple", described={"extract": ExtractSettings(page_size=page_size)})
    taken = step(found, "page_size")
    assert (taken.outcome, [diagnosis.mistake for diagnosis in taken.diagnoses]) == (outcome, mistakes)
    assert found.passed == (outcome != "fail")
    assert [one.name for one in found.failed] == (["page_size"] if outcome == "fail" else [])


@pytest.mark.parametrize(
    ("quirk", "obeyed", "outcome"),
    [
        ("nothing-left-empty", False, "warning"),
        ("nothing-left-204", False, "warning"),
        ("nothing-left-404", False, "warning"),
        ("nothing-left-empty-total", True, "pass"),
    ],
)
def test_a_filter_that_is_answered_without_a_list(checked, sandbox, quirk, obeyed, outcome):
    """It is neither called ignored nor tried again until patience ends."""
    sandbox.set_quirks("maple", [quirk])
    found = checked("maple")
    taken = step(found, "delta_filter")
    assert (found.profile.filter_obeyed, taken.outcome, found.passed) == (obeyed, outcome, True)
    assert "ignored" not in taken.message
    assert taken.ms < 3000


def test_nothing_is_asked_that_the_tokens_scopes_do_not_allow(checked, sandbox):
    """Not lists below a school, and not demographics where the Token URL granted everything else."""
    sandbox.forget_requests("maple")
    found = checked("maple", described={"demographics": True}, count_people=True)
    asked = sandbox.seen("maple")["requests"]
    assert step(found, "demographics").outcome == "fail"
    assert [path for path in asked if path == "/demographics" or path.startswith("/schools/")] == []


def test_another_envelope_a_total_in_the_body_and_a_filter_that_is_ignored(checked, paste, provide):
    keys = {"users": "students", "orgs": "schools"}

    def answer(asked: Request) -> Reply:
        name = asked.path.rpartition("/")[2]
        rows = [] if asked.offset else [{"sourcedId": "a", "type": "school", "name": "Elm", "status": "active"}]
        return Reply({keys.get(name, name): rows, "totalCount": 1})

    server = provide(answer)
    found = checked("maple", paste("maple", host=server.base_url, extra={"auth_url": server.token_url}))
    assert found.profile.envelopes["users"] == "students"
    assert found.rows["users"] == 1
    assert found.profile.filter_obeyed is False
    assert step(found, "delta_filter").message == (
        "The provider ignores dateLastModified: it returned records for a date in the far future."
    )
    assert step(found, "users").message == "1 records, in `students`"
    assert found.passed


def test_a_deleted_record_is_seen(checked, sandbox):
    assert checked("aspen").profile.tombstones is None
    sandbox.pass_night("aspen", 3)
    found = checked("aspen")
    assert found.profile.tombstones is True
    assert step(found, "delta_filter").message == "supported; deleted records are marked"


def test_how_many_people_the_schools_have(checked, paste, provide):
    people = {"students": 412, "teachers": 31}

    def answer(asked: Request) -> Reply:
        name = asked.path.rpartition("/")[2]
        if name in people:
            return Reply({"users": []}, headers={"X-Total-Count": str(people[name])})
        rows = [] if asked.offset else [{"sourcedId": "a/1", "type": "school", "name": "Elm Elementary"}]
        return Reply({name: rows}, headers={"X-Total-Count": "1"})

    server = provide(answer)
    extra = {"auth_url": server.token_url}
    found = checked("maple", paste("maple", host=server.base_url, extra=extra), count_people=True)
    assert step(found, "schools").message == "1 school: Elm Elementary"
    assert not [asked for asked in server.asked if "schools" in asked.path]  # the scope of such lists was not asked for
    scopes = [f"https://purl.imsglobal.org/spec/or/v1p2/scope/{name}.readonly" for name in ("roster-core", "roster")]
    found = checked("maple", paste("maple", host=server.base_url, extra={**extra, "scopes": scopes}), count_people=True)
    assert step(found, "schools").message == "1 school: Elm Elementary (412 students, 31 teachers)"
    assert {asked.path for asked in server.asked if "schools" in asked.path} == {
        "/ims/oneroster/schools/a%2F1/students",
        "/ims/oneroster/schools/a%2F1/teachers",
    }


def test_a_provider_that_does_not_answer_is_not_asked_for_the_rest(checked, paste, provide):
    def answer(asked: Request) -> Reply:
        name = asked.path.rpartition("/")[2]
        return Reply({"orgs": []}) if name == "orgs" else Reply(b"", status=503)

    server = provide(answer)
    found = checked("maple", paste("maple", host=server.base_url, extra={"auth_url": server.token_url}))
    assert step(found, "academic_sessions").outcome == "fail"
    assert [taken.outcome for taken in found.steps[7:]] == ["skipped"] * 8
    assert step(found, "users").message == "not tried: academic sessions failed"


@pytest.mark.parametrize(
    ("quirk", "outcomes"),
    [
        ("token-wants-body", {}),
        ("token-wants-scope", {}),
        ("token-redirects", {}),
        ("token-expires-mid-pull", {}),
        ("token-403-mid-pull", {}),
        ("token-403-without-a-word", {}),
        ("unknown-scopes-refused", {}),
        ("firewall-page", {"base_url": "fail"}),
        ("cookies-required", {}),
        ("bare-list", {}),
        ("total-in-body", {}),
        ("past-end-404", {}),
        ("record-not-an-object", {}),
        ("no-tombstones", {}),
        ("district-is-local", {}),
        ("schools-are-departments", {"schools": "warning"}),
        ("filter-ignored", {"delta_filter": "warning"}),
        ("heavy-pages-100", {"page_size": "warning"}),
        ("missing-envelope", {"users": "fail"}),
        ("courses-not-shared", {"courses": "fail"}),
        ("orgs-not-shared", {"base_url": "fail"}),
        ("headers-required", {"base_url": "fail"}),
        ("token-redirects-away", {"token": "fail"}),
    ],
)
def test_quirks_of_providers(checked, sandbox, quirk, outcomes):
    sandbox.set_quirks("maple", [quirk])
    found = checked("maple")
    passed = ("pass", "skipped")
    assert {taken.name: taken.outcome for taken in found.steps if taken.outcome not in passed} == outcomes


BEFORE = ProviderProfile(
    version="1.2",
    base_url="https://sis.example.org/v1p2",
    page_cap=5000,
    totals=True,
    links=True,
    filter_obeyed=True,
    tombstones=True,
    demographics=True,
    envelopes={"users": "users"},
    schools={"a": "Elm", "b": "Oak"},
    district_org=Org("d", "District"),
)


@pytest.mark.parametrize(
    ("now", "shown"),
    [
        ({}, ()),
        ({"page_cap": 500}, ("page cap 5,000 → 500",)),
        ({"page_cap": None}, ()),
        ({"version": "1.1"}, ("OneRoster version 1.2 → 1.1",)),
        (
            {"base_url": "https://sis.example.org/b"},
            ("Base URL https://sis.example.org/v1p2 → https://sis.example.org/b",),
        ),
        ({"totals": False, "links": False}, ("totals stated → not stated", "links to the next page sent → not sent")),
        ({"filter_obeyed": False}, ("delta filter supported → not supported",)),
        ({"demographics": False}, ("demographics shared → not shared",)),
        ({"envelopes": {"users": "students"}}, ("list of users `users` → `students`",)),
        (
            {"schools": {"a": "Elm Elementary", "c": "Pine"}},
            ("school added: Pine", "school removed: Oak", "school renamed: Elm → Elm Elementary"),
        ),
    ],
)
def test_a_change_is_said_in_words(now: dict[str, Any], shown: tuple[str, ...]):
    assert profile_changes(BEFORE, dataclasses.replace(BEFORE, **now)) == shown


def test_a_profile_survives_json_and_keeps_what_could_not_be_seen_again():
    assert ProviderProfile.from_plain(BEFORE.plain()) == BEFORE
    small = ProviderProfile("1.2", BEFORE.base_url, schools={"a": "Elm"})
    kept = small.merged_with(BEFORE)
    assert (kept.page_cap, kept.tombstones, kept.district_org) == (5000, True, Org("d", "District"))
    assert kept.schools == {"a": "Elm"}
