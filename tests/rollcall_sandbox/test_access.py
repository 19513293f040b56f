"""Tokens, scopes and signatures: who gets in, who does not, and what the refusal says."""

# ruff: noqa: S113 - a request that hangs is ended by pytest-timeout
from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor

import pytest
import requests
from oauthlib.oauth1 import SIGNATURE_HMAC_SHA1, SIGNATURE_HMAC_SHA256, SIGNATURE_PLAINTEXT, Client

from rollcall.errors import RollcallError
from rollcall_sandbox import DEMO_DISTRICTS, SandboxDistrict
from rollcall_sandbox.auth import BadSignature, TokenIssuer, Verifier, base_string, signature

V1P2 = "https://purl.imsglobal.org/spec/or/v1p2/scope/"
V1P1 = "https://purl.imsglobal.org/spec/or/v1p1/scope/"
MAPLE, CEDAR = DEMO_DISTRICTS
CLIENT = (MAPLE.client_id, MAPLE.client_secret)
GRANT = {"grant_type": "client_credentials"}


def oauth_error(answer: requests.Response) -> tuple[int, str]:
    assert answer.json().keys() == {"error", "error_description"}
    return answer.status_code, answer.json()["error"]


# OAuth 2: the token endpoint


def test_basic_and_body_credentials_get_a_token(served):
    url = served.token_url("maple")
    in_body = GRANT | {"client_id": MAPLE.client_id, "client_secret": MAPLE.client_secret}
    for answer in (requests.post(url, data=GRANT, auth=CLIENT), requests.post(url, data=in_body)):
        assert answer.status_code == 200
        token = answer.json()
        assert token["token_type"] == "Bearer"
        assert token["expires_in"] == 3600
        assert token["scope"] == f"{V1P2}roster-core.readonly {V1P2}roster.readonly"
        assert answer.headers["Cache-Control"] == "no-store"


def test_grant_and_scope_may_be_in_the_query(served):
    url = f"{served.token_url('maple')}&grant_type=client_credentials&scope={V1P2}roster.readonly"
    assert requests.post(url, auth=CLIENT).json()["scope"] == f"{V1P2}roster.readonly"


def test_a_wrong_client_is_refused(served):
    url = served.token_url("maple")
    other = (CEDAR.client_id, CEDAR.client_secret)
    for credentials in ((MAPLE.client_id, "wrong"), ("wrong", MAPLE.client_secret), other):
        answer = requests.post(url, data=GRANT, auth=credentials)
        assert oauth_error(answer) == (401, "invalid_client")
        assert answer.headers["WWW-Authenticate"].startswith("Basic")
    assert oauth_error(requests.post(url, data=GRANT)) == (401, "invalid_client")
    unreadable = {"Authorization": "Basic ???"}
    assert oauth_error(requests.post(url, data=GRANT, headers=unreadable)) == (401, "invalid_client")


def test_unknown_scopes_are_ignored_next_to_known_ones(served, alone):
    """As RFC 6749 section 3.3 lets a server do; a strict one refuses them."""
    asked = GRANT | {"scope": f"{V1P2}roster-core.readonly {V1P2}gradebook.readonly everything"}
    granted = requests.post(served.token_url("maple"), data=asked, auth=CLIENT)
    assert (granted.status_code, granted.json()["scope"]) == (200, f"{V1P2}roster-core.readonly")
    strict = alone(SandboxDistrict("maple", "1.2", students=20, quirks=frozenset({"unknown-scopes-refused"}))).sandbox
    refused = requests.post(strict.token_url("maple"), data=asked, auth=CLIENT)
    assert (refused.status_code, refused.json()["error"]) == (400, "invalid_scope")


def test_other_grants_and_scopes_are_refused(served):
    url = served.token_url("maple")
    for form, error in (
        ({}, "invalid_request"),
        ({"grant_type": "password"}, "unsupported_grant_type"),
        (GRANT | {"scope": "everything"}, "invalid_scope"),
        (GRANT | {"scope": f"{V1P1}roster-core.readonly"}, "invalid_scope"),
        (GRANT | {"scope": f"{V1P2}roster-demographics.readonly"}, "invalid_scope"),
    ):
        assert oauth_error(requests.post(url, data=form, auth=CLIENT)) == (400, error)


def test_the_token_url_needs_its_app_name(served):
    bare = served.token_url("maple").partition("?")[0]
    assert oauth_error(requests.post(bare, data=GRANT, auth=CLIENT)) == (400, "invalid_request")
    assert oauth_error(requests.post(f"{bare}?appName=elm", data=GRANT, auth=CLIENT)) == (401, "invalid_client")
    assert requests.get(f"{bare}?appName=maple").status_code == 405


def test_an_oauth1_district_gives_no_tokens(served):
    answer = requests.post(served.token_url("cedar"), data=GRANT, auth=(CEDAR.client_id, CEDAR.client_secret))
    assert oauth_error(answer) == (401, "invalid_client")


# OAuth 2: tokens and scopes


@pytest.mark.parametrize("header", ["", "Bearer unknown", "Basic abc", "Bearer"])
def test_no_token_no_roster(read, header):
    base = read["maple"].base
    for path in ("orgs", "orgs/nothing", "demographics"):
        answer = requests.get(f"{base}/{path}", headers={"Authorization": header} if header else {})
        assert answer.status_code == 401
        assert answer.headers["WWW-Authenticate"].startswith("Bearer")
        [field] = answer.json()["imsx_CodeMinor"]["imsx_codeMinorField"]
        assert field["imsx_codeMinorFieldValue"] == "unauthorisedrequest"


def test_a_token_is_good_for_its_own_district_only(read):
    maple, birch = read["maple"], read["birch"]
    token = maple.authorization("")
    assert requests.get(f"{maple.base}/orgs", headers={"Authorization": token}).status_code == 200
    assert requests.get(f"{birch.base}/orgs", headers={"Authorization": token}).status_code == 401


@pytest.mark.parametrize(("app", "prefix"), [("birch", V1P2), ("aspen", V1P1)])
def test_each_scope_opens_what_it_grants(served, read, reading, app, prefix):
    reader = reading(served, read[app].district)
    core, roster, demographics = (f"{prefix}roster{kind}.readonly" for kind in ("-core", "", "-demographics"))
    for scope, roster_status, demographics_status in (
        (core, 200, 403),
        (roster, 200, 403),
        (demographics, 403, 200),
        (f"{core} {demographics}", 200, 200),
        ("", 200, 200),
    ):
        granted = reader.token(scope).json()["scope"]
        assert granted == (scope or f"{core} {roster} {demographics}")
        assert reader.get("users", "limit=1").status_code == roster_status
        answer = reader.get("demographics", "limit=1")
        assert answer.status_code == demographics_status
        if demographics_status == 403:
            assert answer.json()["imsx_CodeMinor"]["imsx_codeMinorField"][0]["imsx_codeMinorFieldValue"] == "forbidden"


def test_demographics_that_are_not_shared_are_forbidden(served, reading):
    reader = reading(served, MAPLE)
    asked = f"{V1P2}roster-core.readonly {V1P2}roster-demographics.readonly"
    assert reader.token(asked).json()["scope"] == f"{V1P2}roster-core.readonly"
    assert reader.get("demographics").status_code == 403
    assert reader.get("demographics/anyone").status_code == 403


def test_a_token_ends_when_its_time_is_over():
    now = [0.0]
    office = TokenIssuer(SandboxDistrict("maple", "1.2", token_seconds=60), clock=lambda: now[0])
    form = GRANT | {"client_id": MAPLE.client_id, "client_secret": MAPLE.client_secret}
    granted = office.grant(form, "", frozenset())
    assert granted["expires_in"] == 60
    now[0] = 59.9
    assert office.redeem(granted["access_token"])
    now[0] = 60.0
    assert office.redeem(granted["access_token"]) is None


def test_a_static_bearer_token_is_the_districts_secret(served, read):
    reader = read["linden"]
    assert reader.get("orgs").status_code == 200
    answer = requests.get(f"{reader.base}/orgs", headers={"Authorization": "Bearer something-else"})
    assert answer.status_code == 401
    assert reader.get("demographics").status_code == 403


# OAuth 1

GOLDEN_URL = (
    "https://test.com/ims/oneroster/v1p1/orgs?limit=100&offset=1515"
    "&filter=role%3D%27administrator%27%20OR%20role%3D%27student%27%20OR%20role%3D%27teacher%27"
)
GOLDEN_BASE_STRING = (
    "GET&https%3A%2F%2Ftest.com%2Fims%2Foneroster%2Fv1p1%2Forgs&filter%3Drole%253D%2527administrator%2527%2520OR%2520"
    "role%253D%2527student%2527%2520OR%2520role%253D%2527teacher%2527%26limit%3D100%26oauth_consumer_key%3Dclient-id"
    "%26oauth_nonce%3Dfake-nonce%26oauth_signature_method%3DHMAC-SHA256%26oauth_timestamp%3D10000000"
    "%26oauth_version%3D1.0%26offset%3D1515"
)
GOLDEN_SIGNATURE = "03DqhuWFnTlc3WxDYEOVKYxM5xQyRGfJ4x6zqQjYQnM="
GOLDEN_HEADER = (
    'OAuth oauth_consumer_key="client-id", oauth_nonce="fake-nonce", oauth_signature_method="HMAC-SHA256", '
    'oauth_timestamp="10000000", oauth_version="1.0", '
    'oauth_signature="03DqhuWFnTlc3WxDYEOVKYxM5xQyRGfJ4x6zqQjYQnM%3D"'
)


def test_the_golden_vector():
    parameters = {
        "oauth_consumer_key": "client-id", "oauth_nonce": "fake-nonce", "oauth_signature_method": "HMAC-SHA256",
        "oauth_timestamp": "10000000", "oauth_version": "1.0",
    }  # fmt: skip
    assert base_string("GET", GOLDEN_URL, parameters) == GOLDEN_BASE_STRING
    assert signature("client-secret", GOLDEN_BASE_STRING, "HMAC-SHA256") == GOLDEN_SIGNATURE


def test_the_golden_request_is_let_in_once():
    verifier = Verifier("client-id", "client-secret", clock=lambda: 10000000.0)
    verifier.verify("GET", GOLDEN_URL, GOLDEN_HEADER)
    with pytest.raises(BadSignature, match="nonce"):
        verifier.verify("GET", GOLDEN_URL, GOLDEN_HEADER)


@pytest.mark.parametrize(
    ("seconds_later", "accepted"), [(600, True), (601, False), (-300, True), (-301, False)]
)  # fmt: skip
def test_the_clock_may_differ_by_minutes(seconds_later, accepted):
    verifier = Verifier("client-id", "client-secret", clock=lambda: 10000000.0 + seconds_later)
    if accepted:
        verifier.verify("GET", GOLDEN_URL, GOLDEN_HEADER)
    else:
        with pytest.raises(BadSignature, match="timestamp"):
            verifier.verify("GET", GOLDEN_URL, GOLDEN_HEADER)


@pytest.mark.parametrize(
    ("changed", "to", "why"),
    [
        ('"client-id"', '"other"', "consumer key"),
        ("HMAC-SHA256", "PLAINTEXT", "oauth_signature_method"),
        ('version="1.0"', 'version="2.0"', "oauth_version"),
        ("fake-nonce", "other-nonce", "signature"),
        ("OAuth ", "Bearer ", "OAuth 1"),
        ('oauth_version="1.0"', 'oauth_nonce="twice"', "twice"),
    ],
)
def test_a_changed_header_is_refused(changed, to, why):
    verifier = Verifier("client-id", "client-secret", clock=lambda: 10000000.0)
    with pytest.raises(BadSignature, match=why):
        verifier.verify("GET", GOLDEN_URL, GOLDEN_HEADER.replace(changed, to))


@pytest.mark.parametrize("method", [SIGNATURE_HMAC_SHA256, SIGNATURE_HMAC_SHA1])
@pytest.mark.parametrize(
    "query",
    [
        "",
        "limit=5&offset=3",
        "filter=status%3D%27active%27%20AND%20dateLastModified%3E%272026-08-01T00%3A00%3A00.000Z%27",
    ],
)
def test_signed_requests_are_let_in(read, method, query):
    url = f"{read['cedar'].base}/orgs" + (f"?{query}" if query else "")
    signer = Client(CEDAR.client_id, client_secret=CEDAR.client_secret, signature_method=method)
    header = signer.sign(url)[1]
    assert requests.get(url, headers=header).status_code == 200
    answer = requests.get(url, headers=header)
    assert answer.status_code == 401
    assert "nonce" in answer.json()["imsx_description"]
    assert answer.headers["WWW-Authenticate"].startswith("OAuth")


def test_badly_signed_requests_are_refused(read):
    url = f"{read['cedar'].base}/orgs?limit=5"
    signers = (
        Client(CEDAR.client_id, client_secret="wrong", signature_method=SIGNATURE_HMAC_SHA256),
        Client("wrong", client_secret=CEDAR.client_secret, signature_method=SIGNATURE_HMAC_SHA256),
        Client(CEDAR.client_id, client_secret=CEDAR.client_secret, signature_method=SIGNATURE_PLAINTEXT),
        Client(CEDAR.client_id, client_secret=CEDAR.client_secret, timestamp=str(int(time.time()) - 1000)),
    )
    for signer in signers:
        assert requests.get(url, headers=signer.sign(url)[1]).status_code == 401
    good = Client(CEDAR.client_id, client_secret=CEDAR.client_secret, signature_method=SIGNATURE_HMAC_SHA256)
    header = good.sign(url)[1]
    assert requests.get(f"{url}0", headers=header).status_code == 401
    answer = requests.get(url, headers={"Authorization": "OAuth nonsense"})
    assert answer.status_code == 401
    assert "imsx_messageRefIdentifier" in answer.json()


# Settings


@pytest.mark.parametrize(
    "wrong",
    [
        {"version": "1.2", "auth": "oauth1"}, {"version": "1.0"}, {"auth": "basic"}, {"app": "Maple"}, {"students": 0},
        {"nights": -1}, {"token_seconds": 0},
    ],
)  # fmt: skip
def test_impossible_settings_are_refused(wrong):
    with pytest.raises(RollcallError) as caught:
        SandboxDistrict(**({"app": "elm", "version": "1.1"} | wrong))
    assert caught.value.code == "sandbox_setting"


# What the provider saw of its clients


def test_requests_are_counted_by_path_and_by_how_many_were_open(alone):
    reader = alone(SandboxDistrict("elm", "1.2", students=40, quirks=frozenset({"slow-answers"})))
    reader.get("orgs")
    reader.get("orgs", "limit=1")
    reader.get("orgs/nothing")
    seen = reader.sandbox.seen("elm")
    assert seen == {
        "requests": {"/orgs": 2, "/orgs/nothing": 1}, "token_requests": 1, "most_at_once": 1, "most_at_once_on_host": 1,
    }  # fmt: skip
    url = f"http://127.0.0.1:{reader.sandbox.port}/sandbox/elm/seen"
    assert requests.get(url).json() == seen
    with ThreadPoolExecutor(4) as pool:
        header = {"Authorization": reader.authorization("")}
        list(pool.map(lambda _: requests.get(f"{reader.base}/users", headers=header), range(8)))
    assert requests.get(url).json()["requests"]["/users"] == 8
    assert requests.get(url).json()["most_at_once"] == 4
    requests.post(f"{url}/reset")
    assert reader.sandbox.seen("elm")["requests"] == {}
    assert reader.sandbox.seen("elm")["most_at_once"] == 0
