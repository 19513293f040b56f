"""The mistakes people make: each is named by its own step, word for word, and the right people are shown what to do."""

from __future__ import annotations

from typing import Any

import pytest

from rollcall.check.connections import quick_check
from rollcall.check.email import email_text
from rollcall.check.mistakes import MISTAKES
from rollcall.check.profile import Org
from tests.check.conftest import CEDAR, MAPLE, step
from tests.oneroster.conftest import Reply, Request

#: How messages name the connection.
TITLE = "the connection oneroster_maple"


def _result(found: Any, name: str) -> tuple[str, str, str]:
    taken = step(found, name)
    return taken.outcome, taken.message, taken.remedy


def _diagnosis(found: Any, name: str) -> tuple[str, str, dict[str, Any]]:
    """The outcome of a step, and its one known mistake with the values in its text."""
    done = step(found, name)
    [diagnosis] = done.diagnoses
    assert (done.message, done.remedy) == (diagnosis.message, diagnosis.remedy)
    return done.outcome, diagnosis.mistake, dict(diagnosis.values)


def test_a_line_break_in_the_secret_is_removed_and_said(checked, paste):
    found = checked("maple", paste("maple", password=f"{MAPLE.client_secret}\r\n"))
    assert found.passed
    assert _diagnosis(found, "connection") == ("warning", "line_break", {"label": "Client Secret", "title": TITLE})


def test_client_id_and_secret_swapped(checked, paste, sandbox):
    before = sandbox.seen("maple")
    found = checked("maple", paste("maple", login=MAPLE.client_secret, password=MAPLE.client_id))
    assert _diagnosis(found, "connection") == (
        "fail",
        "id_and_secret_swapped",
        {"id_label": "Client ID", "secret_label": "Client Secret", "title": TITLE},
    )
    assert sandbox.seen("maple") == before
    assert {taken.outcome for taken in found.steps[1:]} == {"skipped"}
    assert found.client_id == ""  # it is the secret


def test_base_url_and_token_url_swapped(checked, paste, sandbox):
    extra = {"auth_url": sandbox.base_url("maple")}
    found = checked("maple", paste("maple", host=sandbox.token_url("maple"), extra=extra))
    assert _diagnosis(found, "connection") == ("fail", "urls_swapped", {"title": TITLE})


def test_the_urls_of_two_districts(checked, paste, sandbox):
    found = checked("maple", paste("maple", extra={"auth_url": sandbox.token_url("aspen")}))
    assert _diagnosis(found, "connection") == (
        "warning",
        "two_districts",
        {"token_app": "aspen", "base_app": "maple", "title": TITLE},
    )
    assert step(found, "token").outcome == "fail"


def test_a_wrong_secret(checked, paste, sandbox):
    found = checked("maple", paste("maple", password="planted-wrong-secret"))
    assert _diagnosis(found, "token") == (
        "fail",
        "wrong_secret",
        {
            "id_label": "Client ID",
            "secret_label": "Client Secret",
            "where": f"The Token URL at 127.0.0.1:{sandbox.port}",
            "title": TITLE,
        },
    )


def test_a_wrong_consumer_secret(checked, paste, sandbox):
    found = checked("cedar", paste("cedar", password="planted-wrong-secret"))
    assert _diagnosis(found, "base_url") == (
        "fail",
        "wrong_key",
        {
            "id_label": "Consumer Key",
            "secret_label": "Consumer Secret",
            "where": f"The Base URL at 127.0.0.1:{sandbox.port}",
            "title": "the connection oneroster_cedar",
        },
    )


def _mistakes(found: Any, name: str) -> list[str]:
    return [diagnosis.mistake for diagnosis in step(found, name).diagnoses]


def test_a_classic_connection_that_takes_sha1_only(checked, paste, sandbox):
    """The setting is named, the district has nothing to do, and with the setting the connection passes."""
    sandbox.set_quirks("cedar", ["sha1-only"])
    found = checked("cedar", paste("cedar", extra={"expires_on": "2027-06-30"}))
    assert (step(found, "base_url").outcome, _mistakes(found, "base_url")) == ("fail", ["other_signature"])
    assert (
        'Set "signature": "HMAC-SHA1" in the extra of the connection oneroster_cedar.' in step(found, "base_url").remedy
    )
    assert "No action needed on your side." in email_text(found)
    assert checked("cedar", paste("cedar", extra={"signature": "HMAC-SHA1"})).passed


def test_the_test_button_names_the_setting_too(paste, sandbox):
    sandbox.set_quirks("cedar", ["sha1-only"])
    works, shown = quick_check(lambda: paste("cedar"))
    assert not works
    assert '"signature": "HMAC-SHA1"' in shown


def test_a_connection_set_to_sha1_where_the_provider_takes_sha256(checked, paste, provide):
    """The other signature is tried once, whichever it is."""
    server = provide(
        lambda asked: Reply({"orgs": []}, status=200 if "HMAC-SHA256" in asked.headers["authorization"] else 401)
    )
    found = checked("cedar", paste("cedar", host=server.base_url, extra={"signature": "HMAC-SHA1"}))
    assert _mistakes(found, "base_url") == ["other_signature"]
    assert '"signature": "HMAC-SHA256"' in step(found, "base_url").remedy
    assert len(server.asked) == 2


def test_a_key_that_neither_signature_opens_is_tried_twice_and_no_more(checked, paste, provide):
    server = provide(lambda asked: Reply({}, status=401))
    found = checked("cedar", paste("cedar", host=server.base_url))
    assert _mistakes(found, "base_url") == ["wrong_key"]
    assert len(server.asked) == 2


PAGE = Reply(b"<html><body>Request blocked</body></html>", status=403, headers={"Content-Type": "text/html"})


@pytest.mark.parametrize(("where", "name"), [("token", "token"), ("orgs", "base_url"), ("users", "users")])
def test_a_firewall_is_named_and_not_data_to_share(checked, paste, provide, where, name):
    def answer(asked: Request) -> Reply:
        collection = asked.path.rpartition("/")[2]
        rows = [{"sourcedId": "a", "type": "school", "name": "Elm"}]
        return PAGE if collection == where else Reply({collection: [] if asked.offset else rows})

    token = {"access_token": "token-4711", "token_type": "Bearer"}
    server = provide(answer, lambda _: PAGE if where == "token" else Reply(token))
    found = checked("maple", paste("maple", host=server.base_url, extra={"auth_url": server.token_url}))
    assert (step(found, name).outcome, _mistakes(found, name)) == ("fail", ["blocked_by_firewall"])
    assert "firewall" in email_text(found)
    assert "Data to Share" not in "".join(email_text(found).split("What to do")[1:])


def test_a_token_that_is_called_ended_is_not_data_to_share(checked, paste, provide):
    def answer(asked: Request) -> Reply:
        collection = asked.path.rpartition("/")[2]
        rows = [{"sourcedId": "a", "type": "school", "name": "Elm"}]
        return Reply({"message": "token expired"}, status=403) if collection == "users" else Reply({collection: rows})

    server = provide(answer)
    found = checked("maple", paste("maple", host=server.base_url, extra={"auth_url": server.token_url}))
    assert step(found, "users").outcome == "fail"
    assert "Data to Share" not in step(found, "users").remedy
    assert len([asked for asked in server.asked if asked.method == "POST"]) == 2


@pytest.mark.parametrize(
    ("expires_on", "mistake", "values"),
    [
        ("2026-11-20", "classic_key_ended", {"expires_on": "November 20, 2026"}),
        ("2026-12-03", "classic_key_ends_soon", {"expires_on": "December 3, 2026", "days": "12 days"}),
        (None, "classic_key_undated", {"title": "the connection oneroster_cedar"}),
    ],
    ids=["past", "soon", "not given"],
)
def test_a_classic_consumer_key(checked, paste, expires_on, mistake, values):
    found = checked("cedar", paste("cedar", extra={"expires_on": expires_on}))
    assert _diagnosis(found, "connection") == ("warning", mistake, values)
    assert found.passed  # it still works


def test_a_classic_key_with_months_to_go_is_no_warning(checked, paste):
    found = checked("cedar", paste("cedar", extra={"expires_on": "2027-06-30"}))
    assert _result(found, "connection") == ("pass", "Consumer Key and Consumer Secret, OneRoster 1.1", "")


def test_the_login_page_as_base_url(checked, paste, provide):
    page = provide(lambda _: Reply(b"<!DOCTYPE html><title>Log in</title>", headers={"Content-Type": "text/html"}))
    found = checked("maple", paste("maple", host=f"http://127.0.0.1:{page.port}/campus/maple.jsp"))
    assert _diagnosis(found, "base_url") == ("fail", "login_page", {"title": TITLE})


@pytest.mark.parametrize("app", ["cedar", "aspen"], ids=["Consumer Key", "OAuth 2"])
def test_1_2_chosen_where_1_1_answers(checked, app):
    found = checked(app, described={"version": "1.2"})
    if app == "cedar":
        assert _result(found, "connection") == (
            "fail",
            "The settings say OneRoster 1.2, but a Consumer Key (OAuth 1) works with OneRoster 1.1 only.",
            'Set version: "1.1" in cedar.yaml, or ask the district for a OneRoster 1.2 connection.',
        )
    else:
        assert _diagnosis(found, "token") == ("fail", "version_is_1.1", {"file": "aspen.yaml"})


def test_1_1_chosen_where_1_2_answers(checked):
    found = checked("maple", described={"version": "1.1"})
    assert _diagnosis(found, "token") == ("fail", "version_is_1.2", {"file": "maple.yaml"})


def test_a_token_that_is_good_for_both_versions_does_not_hide_the_wrong_one(checked, paste):
    scopes = [f"https://purl.imsglobal.org/spec/or/v1p1/scope/{name}.readonly" for name in ("roster-core",)]
    found = checked("aspen", paste("aspen", extra={"scopes": scopes}), described={"version": "1.2"})
    assert step(found, "token").outcome == "pass"
    assert _mistakes(found, "base_url") == ["version_is_1.1"]


def test_demographics_are_not_ticked(checked):
    found = checked("maple", described={"demographics": True})
    assert _diagnosis(found, "demographics") == (
        "fail",
        "demographics_forbidden",
        {"status": "the token has no scope for them", "file": "maple.yaml"},
    )
    assert [taken.name for taken in found.failed] == ["demographics"]
    assert found.profile.demographics is False


def test_a_token_url_that_refuses_the_scope_of_demographics(checked, paste, provide):
    def token(asked: Request) -> Reply:
        if "demographics" in asked.form["scope"]:
            return Reply({"error": "invalid_scope"}, status=400)
        return Reply({"access_token": "token-4711", "token_type": "Bearer"})

    server = provide(lambda asked: Reply({asked.path.rpartition("/")[2]: []}), token)
    pasted = paste("maple", host=server.base_url, extra={"auth_url": server.token_url})
    found = checked("maple", pasted, described={"demographics": True})
    assert _result(found, "token") == ("pass", "received, without access to demographics", "")
    assert _diagnosis(found, "demographics")[1:] == (
        "demographics_forbidden",
        {"status": "the token has no scope for them", "file": "maple.yaml"},
    )


@pytest.mark.parametrize(("status", "mistake"), [(403, "rostering_forbidden"), (401, "scope_refused")])
def test_a_collection_that_is_refused_although_we_are_known(checked, paste, provide, status, mistake):
    def answer(asked: Request) -> Reply:
        name = asked.path.rpartition("/")[2]
        if name == "users":
            return Reply({}, status=status)
        return Reply({name: [] if asked.offset else [{"sourcedId": "a", "type": "school"}]})

    server = provide(answer)
    found = checked("maple", paste("maple", host=server.base_url, extra={"auth_url": server.token_url}))
    assert _diagnosis(found, "users") == ("fail", mistake, {"what": "Users", "title": TITLE})
    assert [taken.name for taken in found.failed] == ["users"]


def test_schools_but_no_people(checked, sandbox):
    sandbox.set_quirks("maple", ["empty-users"])
    found = checked("maple")
    assert _diagnosis(found, "schools") == ("warning", "no_people", {"schools": "4 schools"})
    assert found.passed


def test_no_school_in_scope(checked, sandbox):
    sandbox.set_quirks("maple", ["empty-orgs"])
    assert _diagnosis(checked("maple"), "orgs") == ("fail", "no_orgs", {})


def test_a_misspelt_host(checked, paste):
    host = "https://maple.infinitecampus.invalid/campus/api/oneroster/v1p2/maple/ims/oneroster"
    assert _diagnosis(checked("maple", paste("maple", host=host)), "dns") == (
        "fail",
        "host_unknown",
        {"host": "maple.infinitecampus.invalid", "label": "Base URL", "title": TITLE},
    )


def test_the_connection_of_another_district(checked):
    found = checked("maple", pinned=Org("0815", "Oak School District"))
    now = found.district_org
    assert _diagnosis(found, "district") == (
        "fail",
        "another_district",
        {"now": now, "pinned": Org("0815", "Oak School District"), "title": TITLE, "district": "maple"},
    )


def test_the_wrong_port_of_a_host_that_is_there(checked, paste):
    found = checked("maple", paste("maple", extra={"auth_url": "http://127.0.0.1:9/token"}))
    assert step(found, "token").outcome == "fail"
    assert "127.0.0.1:9 could not be reached" in step(found, "token").message


@pytest.mark.parametrize("name", MISTAKES)
def test_each_sentence_is_one(name: str):
    shown = MISTAKES[name].message
    assert shown.endswith(".")
    assert ". " not in shown
    assert CEDAR.client_secret not in shown


def test_the_half_token_url(checked, paste, sandbox):
    half = sandbox.token_url("maple").partition("?")[0]
    found: Any = checked("maple", paste("maple", extra={"auth_url": half}))
    assert step(found, "connection").outcome == "fail"
    assert "ends before `?appName=…`" in step(found, "connection").message
