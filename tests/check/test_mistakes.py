"""The mistakes people make: each is named by its own step, word for word, and the right people are told what to do."""

from __future__ import annotations

from typing import Any

import pytest

from rollcall.check.connections import quick_check
from rollcall.check.email import email_text
from rollcall.check.mistakes import MISTAKES
from rollcall.check.profile import Org
from tests.check.conftest import CEDAR, MAPLE, step
from tests.oneroster.conftest import Asked, Said

OLD_KEYS = "Infinite Campus ends them after a year and has made no new ones since 18 December 2023."


def _told(found: Any, name: str) -> tuple[str, str, str]:
    taken = step(found, name)
    return taken.outcome, taken.said, taken.remedy


def test_a_line_break_in_the_secret_is_removed_and_said(checked, paste):
    found = checked("maple", paste("maple", password=f"{MAPLE.client_secret}\r\n"))
    assert found.passed
    assert _told(found, "connection") == (
        "warning",
        "The Client Secret was stored with a line break in it, as copying from a document leaves it; it was removed.",
        "Nothing has to be done; store the Client Secret in the connection oneroster_maple anew if the line break was "
        "not the only thing copied.",
    )


def test_client_id_and_secret_swapped(checked, paste, sandbox):
    before = sandbox.seen("maple")
    found = checked("maple", paste("maple", login=MAPLE.client_secret, password=MAPLE.client_id))
    assert _told(found, "connection") == (
        "fail",
        "Client ID and Client Secret are swapped: what is stored as the secret begins with InfiniteCampus_, as only a "
        "Client ID does.",
        "Put each into the other's field of the connection oneroster_maple; nothing was sent to the provider.",
    )
    assert sandbox.seen("maple") == before
    assert {taken.outcome for taken in found.steps[1:]} == {"skipped"}
    assert found.client_id == ""  # it is the secret


def test_base_url_and_token_url_swapped(checked, paste, sandbox):
    extra = {"auth_url": sandbox.base_url("maple")}
    found = checked("maple", paste("maple", host=sandbox.token_url("maple"), extra=extra))
    assert _told(found, "connection") == (
        "fail",
        "Base URL and Token URL are swapped: the field Base URL holds the address of the tokens.",
        "Put each into the other's field of the connection oneroster_maple.",
    )


def test_the_urls_of_two_districts(checked, paste, sandbox):
    found = checked("maple", paste("maple", extra={"auth_url": sandbox.token_url("aspen")}))
    assert _told(found, "connection") == (
        "warning",
        "Token URL and Base URL seem to belong to two districts: the Token URL says appName=aspen, the Base URL says "
        "maple.",
        "Ask the district for both from the same page, and store them in the connection oneroster_maple.",
    )
    assert step(found, "token").outcome == "fail"


def test_a_wrong_secret(checked, paste, sandbox):
    found = checked("maple", paste("maple", password="planted-wrong-secret"))
    assert _told(found, "token") == (
        "fail",
        f"Client ID and Client Secret were not accepted by the Token URL at 127.0.0.1:{sandbox.port}.",
        "Compare what is stored in the connection oneroster_maple with the district's screen. If the secret was made "
        "anew there or the connection switched off, only the district can help.",
    )


def test_a_wrong_consumer_secret(checked, paste, sandbox):
    found = checked("cedar", paste("cedar", password="planted-wrong-secret"))
    assert _told(found, "base_url") == (
        "fail",
        f"Consumer Key and Consumer Secret were not accepted by the Base URL at 127.0.0.1:{sandbox.port}.",
        "Compare what is stored in the connection oneroster_cedar with the district's screen. If the key ended or was "
        "switched off, only the district can help. The other signature (`signature` in the extra) was tried and "
        "refused too.",
    )


def _mistakes(found: Any, name: str) -> list[str]:
    return [recognised.mistake for recognised in step(found, name).recognised]


def test_a_classic_connection_that_takes_sha1_only(checked, paste, sandbox):
    """The setting is named, the district has nothing to do, and with the setting the connection passes."""
    sandbox.set_quirks("cedar", ["sha1-only"])
    found = checked("cedar", paste("cedar", extra={"expires_on": "2027-06-30"}))
    assert (step(found, "base_url").outcome, _mistakes(found, "base_url")) == ("fail", ["other_signature"])
    assert 'Set "signature": "HMAC-SHA1" in the connection oneroster_cedar\'s extra.' in step(found, "base_url").remedy
    assert "There is nothing to do on your side" in email_text(found)
    assert checked("cedar", paste("cedar", extra={"signature": "HMAC-SHA1"})).passed


def test_the_test_button_names_the_setting_too(paste, sandbox):
    sandbox.set_quirks("cedar", ["sha1-only"])
    works, told = quick_check(lambda: paste("cedar"))
    assert not works
    assert '"signature": "HMAC-SHA1"' in told


def test_a_connection_set_to_sha1_where_the_provider_takes_sha256(checked, paste, provide):
    """The other signature is tried once, whichever it is."""
    server = provide(
        lambda asked: Said({"orgs": []}, status=200 if "HMAC-SHA256" in asked.headers["authorization"] else 401)
    )
    found = checked("cedar", paste("cedar", host=server.base_url, extra={"signature": "HMAC-SHA1"}))
    assert _mistakes(found, "base_url") == ["other_signature"]
    assert '"signature": "HMAC-SHA256"' in step(found, "base_url").remedy
    assert len(server.asked) == 2


def test_a_key_that_neither_signature_opens_is_tried_twice_and_no_more(checked, paste, provide):
    server = provide(lambda asked: Said({}, status=401))
    found = checked("cedar", paste("cedar", host=server.base_url))
    assert _mistakes(found, "base_url") == ["wrong_key"]
    assert len(server.asked) == 2


PAGE = Said(b"<html><body>Request blocked</body></html>", status=403, headers={"Content-Type": "text/html"})


@pytest.mark.parametrize(("where", "name"), [("token", "token"), ("orgs", "base_url"), ("users", "users")])
def test_a_firewall_is_named_and_not_data_to_share(checked, paste, provide, where, name):
    def answer(asked: Asked) -> Said:
        collection = asked.path.rpartition("/")[2]
        rows = [{"sourcedId": "a", "type": "school", "name": "Elm"}]
        return PAGE if collection == where else Said({collection: [] if asked.offset else rows})

    token = {"access_token": "token-4711", "token_type": "Bearer"}
    server = provide(answer, lambda _: PAGE if where == "token" else Said(token))
    found = checked("maple", paste("maple", host=server.base_url, extra={"auth_url": server.token_url}))
    assert (step(found, name).outcome, _mistakes(found, name)) == ("fail", ["blocked_by_firewall"])
    assert "firewall" in email_text(found)
    assert "Data to Share" not in "".join(email_text(found).split("What to do")[1:])


def test_a_token_that_is_called_ended_is_not_data_to_share(checked, paste, provide):
    def answer(asked: Asked) -> Said:
        collection = asked.path.rpartition("/")[2]
        rows = [{"sourcedId": "a", "type": "school", "name": "Elm"}]
        return Said({"message": "token expired"}, status=403) if collection == "users" else Said({collection: rows})

    server = provide(answer)
    found = checked("maple", paste("maple", host=server.base_url, extra={"auth_url": server.token_url}))
    assert step(found, "users").outcome == "fail"
    assert "Data to Share" not in step(found, "users").remedy
    assert len([asked for asked in server.asked if asked.method == "POST"]) == 2


@pytest.mark.parametrize(
    ("expires_on", "said", "remedy"),
    [
        (
            "2026-11-20",
            f"This is a classic Consumer Key (OAuth 1), and by `expires_on` it ended on 2026-11-20: {OLD_KEYS}",
            "The district renews it, or better makes a OneRoster 1.2 connection with OAuth 2, which does not end.",
        ),
        (
            "2026-12-03",
            f"This is a classic Consumer Key (OAuth 1), and by `expires_on` it ends on 2026-12-03, in 12 days: "
            f"{OLD_KEYS}",
            "The district renews it before that day, or better makes a OneRoster 1.2 connection with OAuth 2, which "
            "does not end.",
        ),
        (
            None,
            f"This is a classic Consumer Key (OAuth 1), and nobody wrote down when it ends: {OLD_KEYS}",
            "Ask the district for the Token Expiration Date and store it as `expires_on` in the connection "
            "oneroster_cedar's extra.",
        ),
    ],
    ids=["past", "soon", "not given"],
)
def test_a_classic_consumer_key(checked, paste, expires_on, said, remedy):
    found = checked("cedar", paste("cedar", extra={"expires_on": expires_on}))
    assert _told(found, "connection") == ("warning", said, remedy)
    assert found.passed  # it still works


def test_a_classic_key_with_months_to_go_is_no_warning(checked, paste):
    found = checked("cedar", paste("cedar", extra={"expires_on": "2027-06-30"}))
    assert _told(found, "connection") == ("pass", "Consumer Key and Consumer Secret, OneRoster 1.1", "")


def test_the_login_page_as_base_url(checked, paste, provide):
    page = provide(lambda _: Said(b"<!DOCTYPE html><title>Log in</title>", headers={"Content-Type": "text/html"}))
    found = checked("maple", paste("maple", host=f"http://127.0.0.1:{page.port}/campus/maple.jsp"))
    assert _told(found, "base_url") == (
        "fail",
        "The Base URL is a page for people, such as the one to log in at, and not the address of the OneRoster "
        "service.",
        "Ask the district for the Base URL of the connection, and store it in the connection oneroster_maple; at "
        "Infinite Campus it contains /campus/api/oneroster/.",
    )


@pytest.mark.parametrize("app", ["cedar", "aspen"], ids=["Consumer Key", "OAuth 2"])
def test_1_2_chosen_where_1_1_answers(checked, app):
    found = checked(app, described={"version": "1.2"})
    if app == "cedar":
        assert _told(found, "connection") == (
            "fail",
            "OneRoster 1.2 is chosen, and a Consumer Key (OAuth 1) belongs to OneRoster 1.1.",
            'Set version: "1.1" in cedar.yaml, or ask the district for a OneRoster 1.2 connection.',
        )
    else:
        assert _told(found, "token") == (
            "fail",
            "OneRoster 1.2 is chosen, but what answers here is OneRoster 1.1.",
            'Set version: "1.1" in aspen.yaml; or ask the district for a OneRoster 1.2 connection and store what it '
            "sends.",
        )


def test_1_1_chosen_where_1_2_answers(checked):
    found = checked("maple", described={"version": "1.1"})
    assert _told(found, "token") == (
        "fail",
        "OneRoster 1.1 is chosen, but what answers here is OneRoster 1.2.",
        'Set version: "1.2" in maple.yaml.',
    )


def test_a_token_that_is_good_for_both_versions_does_not_hide_the_wrong_one(checked, paste):
    scopes = [f"https://purl.imsglobal.org/spec/or/v1p1/scope/{name}.readonly" for name in ("roster-core",)]
    found = checked("aspen", paste("aspen", extra={"scopes": scopes}), described={"version": "1.2"})
    assert step(found, "token").outcome == "pass"
    assert step(found, "base_url").said == "OneRoster 1.2 is chosen, but what answers here is OneRoster 1.1."


def test_demographics_are_not_ticked(checked):
    found = checked("maple", described={"demographics": True})
    assert _told(found, "demographics") == (
        "fail",
        "Demographics are not shared with us (the token was refused their scope): Demographics is probably not ticked "
        "under Data to Share.",
        "The district ticks it, or set demographics: false in maple.yaml and they are not asked for.",
    )
    assert [taken.name for taken in found.failed] == ["demographics"]
    assert found.profile.demographics is False


def test_a_token_url_that_refuses_the_scope_of_demographics(checked, paste, provide):
    def token(asked: Asked) -> Said:
        if "demographics" in asked.form["scope"]:
            return Said({"error": "invalid_scope"}, status=400)
        return Said({"access_token": "token-4711", "token_type": "Bearer"})

    server = provide(lambda asked: Said({asked.path.rpartition("/")[2]: []}), token)
    pasted = paste("maple", host=server.base_url, extra={"auth_url": server.token_url})
    found = checked("maple", pasted, described={"demographics": True})
    assert _told(found, "token") == ("pass", "given, but not for demographics", "")
    assert step(found, "demographics").said == (
        "Demographics are not shared with us (the token was refused their scope): Demographics is probably not ticked "
        "under Data to Share."
    )


@pytest.mark.parametrize(
    ("status", "said", "remedy"),
    [
        (
            403,
            "Users are not shared with us (403), although the credentials are good.",
            "The district looks at Data to Share. An unsupported connection, or a district without the licence for "
            "Campus Learning, shares rostering only, and that is all we read: no licence is missing.",
        ),
        (
            401,
            "Users were answered 401 with a token the Token URL had just given: the token does not reach them.",
            "The credentials are good. The district looks at Data to Share and the version of the connection; other "
            "providers may want `scopes` or `headers` in the connection oneroster_maple's extra.",
        ),
    ],
)
def test_a_collection_that_is_refused_although_we_are_known(checked, paste, provide, status, said, remedy):
    def answer(asked: Asked) -> Said:
        name = asked.path.rpartition("/")[2]
        if name == "users":
            return Said({}, status=status)
        return Said({name: [] if asked.offset else [{"sourcedId": "a", "type": "school"}]})

    server = provide(answer)
    found = checked("maple", paste("maple", host=server.base_url, extra={"auth_url": server.token_url}))
    assert _told(found, "users") == ("fail", said, remedy)
    assert [taken.name for taken in found.failed] == ["users"]


def test_schools_but_no_people(checked, sandbox):
    sandbox.set_quirks("maple", ["empty-users"])
    found = checked("maple")
    assert _told(found, "schools") == (
        "warning",
        "There are 4 schools but no people: the active school year is probably not scheduled yet.",
        "Wait until the district has finished scheduling and made the year active; Infinite Campus shares the active "
        "year only.",
    )
    assert found.passed


def test_no_school_in_scope(checked, sandbox):
    sandbox.set_quirks("maple", ["empty-orgs"])
    assert _told(checked("maple"), "orgs") == (
        "fail",
        "The connection shares no school: the list of orgs is empty.",
        "The district adds its schools to the connection's scope.",
    )


def test_a_misspelt_host(checked, paste):
    host = "https://maple.infinitecampus.invalid/campus/api/oneroster/v1p2/maple/ims/oneroster"
    assert _told(checked("maple", paste("maple", host=host)), "dns") == (
        "fail",
        "There is no host maple.infinitecampus.invalid, which the Base URL names.",
        "Look for a misspelt letter in the Base URL of the connection oneroster_maple, and copy it anew.",
    )


def test_the_connection_of_another_district(checked):
    found = checked("maple", pinned=Org("0815", "Oak School District"))
    now = found.district_org
    assert _told(found, "district") == (
        "fail",
        f"This connection is now that of Maple Unified School District ({now.sourced_id}); when it first passed, it "
        "was that of Oak School District (0815).",
        "Nothing is pulled with it. If credentials were mixed up, store the right ones in the connection "
        "oneroster_maple. If the district itself was given a new id, run `rollcall check maple --replace-pin`.",
    )


def test_the_wrong_port_of_a_host_that_is_there(checked, paste):
    found = checked("maple", paste("maple", extra={"auth_url": "http://127.0.0.1:9/token"}))
    assert step(found, "token").outcome == "fail"
    assert "127.0.0.1:9 could not be reached" in step(found, "token").said


@pytest.mark.parametrize("name", MISTAKES)
def test_each_sentence_is_one(name: str):
    told = MISTAKES[name].said
    assert told.endswith(".")
    assert ". " not in told
    assert CEDAR.client_secret not in told


def test_the_half_token_url(checked, paste, sandbox):
    half = sandbox.token_url("maple").partition("?")[0]
    found: Any = checked("maple", paste("maple", extra={"auth_url": half}))
    assert step(found, "connection").outcome == "fail"
    assert "ends before `?appName=…`" in step(found, "connection").said
