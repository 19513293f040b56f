"""Switches of addresses and of signing in."""

# ruff: noqa: S113 - a request that hangs is ended by pytest-timeout
from __future__ import annotations

from collections.abc import Callable
from email.utils import parsedate_to_datetime
from typing import Any

import pytest
import requests
from oauthlib.oauth1 import SIGNATURE_HMAC_SHA256, Client

from rollcall_sandbox import SandboxDistrict

FORM = {"grant_type": "client_credentials"}
Alone = Callable[..., Any]


def elm(*quirks: str, version: str = "1.2", **more: Any) -> SandboxDistrict:
    return SandboxDistrict("elm", version, students=20, quirks=frozenset(quirks), **more)


def ask(reader: Any, form: dict[str, str] | None = None, **more: Any) -> requests.Response:
    return requests.post(reader.sandbox.token_url("elm"), data=FORM | (form or {}), **more)


def both_ways(reader: Any) -> tuple[int, int]:
    client_id, secret = reader.district.client_id, reader.district.client_secret
    in_body = ask(reader, {"client_id": client_id, "client_secret": secret})
    return ask(reader, auth=(client_id, secret)).status_code, in_body.status_code


def test_where_credentials_are_read_from(alone: Alone):
    assert both_ways(alone(elm())) == (200, 200)
    assert both_ways(alone(elm("token-wants-body"))) == (401, 200)
    assert both_ways(alone(elm("token-wants-basic"))) == (200, 401)


def test_scopes_may_be_asked_for(alone: Alone):
    reader = alone(elm("token-wants-scope"))
    assert reader.token().json()["error"] == "invalid_scope"
    assert reader.token("https://purl.imsglobal.org/spec/or/v1p2/scope/roster.readonly").status_code == 200


@pytest.mark.parametrize(("quirk", "host"), [("token-redirects", ""), ("token-redirects-away", "http://localhost:")])
def test_a_token_url_that_redirects(alone: Alone, quirk: str, host: str):
    reader = alone(elm(quirk))
    answer = ask(reader, allow_redirects=False, auth=(reader.district.client_id, reader.district.client_secret))
    assert answer.status_code == 307
    assert answer.headers["Location"].startswith(host or "/campus/oauth2/token?appName=elm&moved=1")
    assert both_ways(reader)[1] == 200
    assert reader.sandbox.seen("elm")["token_requests"] == 5


@pytest.mark.parametrize(
    ("quirk", "ending"), [("token-at-base", "/ims/oneroster/token"), ("token-at-oauth", "/oauth/access_token")]
)
def test_token_urls_of_other_providers(alone: Alone, quirk: str, ending: str):
    reader = alone(elm(quirk))
    assert reader.sandbox.token_url("elm").endswith(ending)
    assert reader.get("orgs").status_code == 200


def test_cookies_and_headers_that_have_to_come_along(alone: Alone):
    reader = alone(elm("cookies-required"))
    assert reader.get("orgs").status_code == 200
    assert requests.get(f"{reader.base}/orgs", headers={"Authorization": reader.authorization("")}).status_code == 401
    reader = alone(elm("headers-required"))
    assert reader.get("orgs").status_code == 401
    reader.http.headers.update({"X-Tenant": "elm", "X-Api-Key": reader.district.api_key})
    assert reader.get("orgs").status_code == 200


def test_a_clock_twenty_minutes_ahead(alone: Alone):
    reader = alone(elm("clock-minutes-off", version="1.1", auth="oauth1"))
    answer = reader.get("orgs")
    assert answer.status_code == 401
    assert "timestamp" in answer.json()["imsx_description"]
    theirs = parsedate_to_datetime(answer.headers["Date"])
    url = f"{reader.base}/orgs"
    signer = Client(
        reader.district.client_id, client_secret=reader.district.client_secret,
        signature_method=SIGNATURE_HMAC_SHA256, timestamp=str(int(theirs.timestamp())),
    )  # fmt: skip
    assert requests.get(url, headers=signer.sign(url)[1]).status_code == 200
    reader.sandbox.set_quirks("elm", [])
    assert reader.get("orgs").status_code == 200


@pytest.mark.parametrize("auth", ["oauth1", "oauth2"])
def test_an_expired_connection_says_so(alone: Alone, auth: str):
    reader = alone(elm("expired-connection", version="1.1", auth=auth))
    answer = reader.get("orgs") if auth == "oauth1" else reader.token()
    assert answer.status_code == 401
    assert "expired" in answer.text


@pytest.mark.parametrize(
    ("version", "quirk", "base", "service"),
    [
        ("1.2", None, "/ims/oneroster", "/rostering/v1p2"),
        ("1.2", "service-at-base", "/ims/oneroster/rostering/v1p2", ""),
        ("1.1", None, "/ims/oneroster/v1p1", ""),
        ("1.1", "service-at-v1p1", "/ims/oneroster", "/v1p1"),
        ("1.1", "service-at-rostering-v1p1", "/ims/oneroster", "/rostering/v1p1"),
    ],
)
def test_where_the_service_is(alone: Alone, version: str, quirk: str | None, base: str, service: str):
    reader = alone(elm(*([quirk] if quirk else []), version=version, auth="bearer"))
    url = reader.sandbox.base_url("elm")
    assert url.endswith(base)
    headers = {"Authorization": reader.authorization("")}
    found = {
        path: requests.get(f"{url}{path}/orgs", headers=headers).status_code
        for path in ("", "/rostering/v1p2", "/v1p1", "/rostering/v1p1")
    }
    assert found == {path: 200 if path == service else 404 for path in found}


def test_a_login_page_where_there_is_no_service(alone: Alone):
    reader = alone(elm("login-page-at-base"))
    for path in ("", "/orgs", "/v1p1/orgs"):
        answer = requests.get(reader.sandbox.base_url("elm") + path)
        assert (answer.status_code, answer.headers["Content-Type"].partition(";")[0]) == (200, "text/html")
    assert reader.get("orgs").json()["orgs"]
    assert reader.sandbox.seen("elm")["requests"] == {"/orgs": 1}


def test_a_discovery_document_tells_the_addresses(alone: Alone):
    names = ("onerosterv1p2rostersservice_openapi3_v1p0.json", "imsorv1p2_rostering_openapi3_v1p0.json")
    for quirk, found in ((None, [404, 404]), ("discovery", [200, 404]), ("discovery-other-name", [404, 200])):
        reader = alone(elm(*([quirk] if quirk else [])))
        answers = [requests.get(f"{reader.base}/discovery/{name}") for name in names]
        assert [answer.status_code for answer in answers] == found
        for answer in answers:
            if answer.status_code == 200:
                assert answer.json()["servers"] == [{"url": reader.base}]
                flow = answer.json()["components"]["securitySchemes"]["OAuth2CC"]["flows"]["clientCredentials"]
                assert flow["tokenUrl"] == reader.sandbox.token_url("elm")
                assert len(answer.json()["paths"]) == 41
