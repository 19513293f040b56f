"""The three ways to sign in, against a provider that looks at what it is sent."""

import base64
import hashlib
import hmac
import threading
from urllib.parse import unquote

import pytest

from rollcall.oneroster import OneRosterConnection
from rollcall.oneroster import auth as auth_module
from rollcall.oneroster.auth import OAuth1, OAuth2
from rollcall.oneroster.errors import ConnectionInvalid, CredentialsRefused, PermissionRefused, RetryableError
from rollcall.oneroster.http import Response

V1P1 = "https://purl.imsglobal.org/spec/or/v1p1/scope/"
V1P2 = "https://purl.imsglobal.org/spec/or/v1p2/scope/"
BASIC = "Basic " + base64.b64encode(b"maple-id:maple-secret").decode()


def read(client, collection="orgs"):
    reader = client.pages(collection)
    rows = [record for page in reader for record in page.records]
    return rows, reader.proof


def tokens(provider):
    return [asked for asked in provider.asked if asked.method == "POST"]


# -- OAuth 2


def test_the_token_request_is_the_standards_and_the_token_goes_with_every_request(provide, connect, paged):
    provider = provide(paged(3, total=3))
    client = connect(provider, fields={"auth_url": provider.token_url + "?appName=maple"})

    assert len(read(client)[0]) == 3

    (token,) = tokens(provider)
    assert token.query == {"appName": "maple"}
    assert token.form == {"grant_type": "client_credentials", "scope": V1P2 + "roster-core.readonly"}
    assert token.headers["authorization"] == BASIC
    assert token.headers["content-type"] == "application/x-www-form-urlencoded"
    data = [asked for asked in provider.asked if asked.method == "GET"]
    assert {asked.headers["authorization"] for asked in data} == {"Bearer token-4711"}
    assert {asked.headers["accept"] for asked in data} == {"application/json"}


@pytest.mark.parametrize(
    ("version", "demographics", "scopes", "asked"),
    [
        ("1.1", False, (), V1P1 + "roster-core.readonly"),
        ("1.1", True, (), f"{V1P1}roster-core.readonly {V1P1}roster-demographics.readonly"),
        ("1.2", True, (), f"{V1P2}roster-core.readonly {V1P2}roster-demographics.readonly"),
        ("1.2", True, ("read", "write"), "read write"),
    ],
)
def test_scopes_are_the_least_of_the_version_unless_configured(
    provide, connect, paged, version, demographics, scopes, asked
):
    provider = provide(paged(1, total=1))
    read(connect(provider, version, demographics=demographics, fields={"scopes": scopes}))

    assert tokens(provider)[0].form["scope"] == asked


def test_id_and_secret_go_into_the_body_where_configured(provide, connect, paged):
    provider = provide(paged(1, total=1))
    read(connect(provider, fields={"client_auth": "body"}))

    (token,) = tokens(provider)
    assert "authorization" not in token.headers
    assert (token.form["client_id"], token.form["client_secret"]) == ("maple-id", "maple-secret")


def test_the_other_way_is_tried_when_one_is_refused_and_remembered(provide, connect, paged, reply, monkeypatch):
    def body_only(asked):
        if "client_secret" not in asked.form:
            return reply({"error": "invalid_request"}, 400)
        return reply({"access_token": "good", "expires_in": 3600})

    provider = provide(paged(1, total=1), body_only)
    client = connect(provider)
    read(client)
    monkeypatch.setattr(auth_module.time, "monotonic", lambda: 10**9)
    read(client)

    assert ["client_secret" in asked.form for asked in tokens(provider)] == [False, True, True]


def test_a_wrong_secret_is_refused_once_for_all_threads_and_said_in_words(provide, connect, paged, reply):
    provider = provide(paged(1), lambda asked: reply({"error": "invalid_client", "error_description": "planted"}, 401))
    client = connect(provider)
    errors = []

    def pull():
        with pytest.raises(CredentialsRefused) as refused:
            read(client)
        errors.append(refused.value)

    threads = [threading.Thread(target=pull) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(tokens(provider)) == 2  # in the header and in the body
    assert len(errors) == 5
    reported = str(errors[0])
    assert "Client ID and Client Secret were not accepted" in reported
    assert "invalid_client" in reported
    assert "oneroster_maple" in reported
    assert "Information to Share" in reported
    assert "maple-secret" not in reported
    assert "planted" not in reported


def test_a_scope_that_is_not_granted_is_said_with_what_to_do(provide, connect, paged, reply):
    provider = provide(paged(1), lambda asked: reply({"error": "invalid_scope"}, 400))
    with pytest.raises(PermissionRefused) as refused:
        read(connect(provider, demographics=True))

    assert len(tokens(provider)) == 1
    assert "roster-demographics.readonly" in str(refused.value)
    assert "Data to Share" in refused.value.remedy


def test_a_token_url_that_is_none(provide, connect, paged, reply):
    for status in (404, 405):
        provider = provide(paged(1), lambda asked, status=status: reply({}, status))
        with pytest.raises(ConnectionInvalid) as refused:
            read(connect(provider))
        assert refused.value.code == "token_url_wrong"


@pytest.mark.parametrize(
    "answer",
    [
        b"<html>sign in</html>",
        {},
        {"access_token": ""},
        {"access_token": "a\nb"},
        {"access_token": "x", "token_type": "mac"},
        {"access_token": 5},
        [],
    ],
)
def test_200_without_a_bearer_token_is_an_error(provide, connect, paged, reply, answer):
    provider = provide(paged(1), lambda asked: reply(answer))
    with pytest.raises(ConnectionInvalid) as refused:
        read(connect(provider))

    assert refused.value.code == "token_unusable"


def test_the_token_url_is_not_followed_elsewhere(provide, connect, paged, reply):
    thief = provide(paged(1))
    provider = provide(paged(1), lambda asked: reply({}, 307, {"Location": thief.token_url}))
    with pytest.raises(ConnectionInvalid) as refused:
        read(connect(provider))

    assert refused.value.code == "redirected"
    assert f"127.0.0.1:{thief.port}" in str(refused.value)
    assert thief.asked == []


def test_a_busy_token_url_is_tried_again(provide, connect, paged, reply):
    answers = iter([reply({}, 503), reply({}, 429), reply({"access_token": "good"})])
    provider = provide(paged(2, total=2), lambda asked: next(answers))

    assert len(read(connect(provider))[0]) == 2


@pytest.mark.parametrize(("life", "fresh_for"), [(3600, 3540), ("3600", 3540), (100, 50), (10, 5)])
def test_a_token_is_renewed_early(provide, connect, paged, reply, monkeypatch, life, fresh_for):
    provider = provide(paged(1, total=1), lambda asked: reply({"access_token": "good", "expires_in": life}))
    client = connect(provider)
    now = [1000.0]
    monkeypatch.setattr(auth_module.time, "monotonic", lambda: now[0])

    read(client)
    now[0] += fresh_for - 1
    read(client)
    assert len(tokens(provider)) == 1
    now[0] += 2
    read(client)
    assert len(tokens(provider)) == 2


def test_a_token_without_a_lifetime_is_used_until_refused(provide, connect, paged, reply, monkeypatch):
    provider = provide(paged(1, total=1), lambda asked: reply({"access_token": "good"}))
    client = connect(provider)
    read(client)
    monkeypatch.setattr(auth_module.time, "monotonic", lambda: 10**9)
    read(client)

    assert len(tokens(provider)) == 1


def numbered(reply):
    """A Token URL that gives another token each time."""
    given = []

    def answer(asked):
        given.append(f"token-{len(given) + 1}")
        return reply({"access_token": given[-1], "expires_in": 3600})

    return answer


def test_a_refused_token_is_renewed_once_and_the_same_page_asked_again(provide, connect, paged, reply):
    pages = paged(6, most=2, total=6)
    expired_at = 4

    def script(asked):
        if asked.offset >= expired_at and asked.headers["authorization"] == "Bearer token-1":
            return reply({"imsx_codeMajor": "failure"}, 401)
        return pages(asked)

    provider = provide(script, numbered(reply))
    rows, proof = read(connect(provider))

    assert len(rows) == 6
    assert proof.proven
    assert len(tokens(provider)) == 2
    # sorted, for 2 and 4 are on their way together
    assert sorted(asked.offset for asked in provider.data_requests()) == [0, 2, 4, 4, 6]


def test_a_token_that_is_never_accepted_ends_after_one_renewal(provide, connect, reply):
    provider = provide(lambda asked: reply({}, 401), numbered(reply))
    with pytest.raises(CredentialsRefused) as refused:
        read(connect(provider))

    assert len(tokens(provider)) == 2
    assert "a token that the Token URL just issued was not accepted" in str(refused.value)


def test_many_threads_ask_for_one_token(provide, connect, paged, reply):
    provider = provide(paged(40, most=2, total=40), numbered(reply))
    client = connect(provider)
    threads = [threading.Thread(target=read, args=(client,)) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(tokens(provider)) == 1
    assert client.usage.token_requests == 1


def test_threads_that_waited_for_a_token_that_did_not_come_do_not_ask_for_it_each():
    asked, answered, outcomes, requests = threading.Event(), threading.Event(), [], []

    def send(url, headers, form):
        requests.append(url)
        asked.set()
        answered.wait(5)
        return Response(429, url, {"Retry-After": "30"}, b"")

    connection = OneRosterConnection("https://sis.maple.example", "id", "secret", "https://sis.maple.example/token")
    auth = OAuth2(connection, (), send)

    def prepare():
        waiting.release()
        with pytest.raises(RetryableError) as trouble:
            auth.prepare()
        outcomes.append(trouble.value.retry_after)

    waiting = threading.Semaphore(0)
    threads = [threading.Thread(target=prepare) for _ in range(4)]
    threads[0].start()
    asked.wait(5)
    for thread in threads[1:]:
        thread.start()
    for _ in threads:
        waiting.acquire()
    threading.Event().wait(0.05)  # from there to the lock
    answered.set()
    for thread in threads:
        thread.join(5)

    assert outcomes == [30.0] * 4
    assert len(requests) == 1


# -- OAuth 1


@pytest.fixture
def oauth1(provide, connect, paged):
    def client(script=None, **fields):
        provider = provide(script or paged(3, total=3))
        return provider, connect(provider, "1.1", fields={"auth_url": None, **fields})

    return client


def test_the_golden_signature():
    url = (
        "https://test.com/ims/oneroster/v1p1/orgs?limit=100&offset=1515&filter="
        "role%3D%27administrator%27%20OR%20role%3D%27student%27%20OR%20role%3D%27teacher%27"
    )
    connection = OneRosterConnection("https://test.com/ims/oneroster/v1p1", "client-id", "client-secret")
    header = OAuth1(connection).headers("GET", url, nonce="fake-nonce", timestamp="10000000")["Authorization"]

    assert header.startswith("OAuth ")
    assert 'oauth_signature="03DqhuWFnTlc3WxDYEOVKYxM5xQyRGfJ4x6zqQjYQnM%3D"' in header
    assert 'oauth_signature_method="HMAC-SHA256"' in header


@pytest.mark.parametrize(("signature", "digest"), [("HMAC-SHA256", hashlib.sha256), ("HMAC-SHA1", hashlib.sha1)])
def test_every_request_is_signed_as_rfc_5849_says_filter_with_spaces_included(oauth1, paged, signature, digest):
    """The 1.1 consumer suite tests exactly this: a parameter value with a space."""
    provider, client = oauth1(signature=signature)
    list(client.pages("orgs", filter="givenName='Colin Robert' AND x>'1'"))

    nonces = set()
    for asked in provider.asked:
        scheme, _, fields = asked.headers["authorization"].partition(" ")
        assert scheme == "OAuth"
        given = dict(field.strip().split("=", 1) for field in fields.split(","))
        oauth = {name: unquote(value.strip('"')) for name, value in given.items()}
        signed = oauth.pop("oauth_signature")
        oauth.pop("realm", None)
        nonces.add(oauth["oauth_nonce"])
        assert oauth["oauth_consumer_key"] == "maple-id"
        assert oauth["oauth_signature_method"] == signature
        assert signed == _signature(f"http://127.0.0.1:{provider.port}{asked.path}", {**asked.query, **oauth}, digest)
    assert len(nonces) == len(provider.asked) > 1
    assert provider.data_requests()[0].query["filter"] == "givenName='Colin Robert' AND x>'1'"


def _signature(url, parameters, digest):
    """RFC 5849, 3.4.1 and 3.4.2, written out; the unreserved characters are letters, digits and `-._~`."""

    def encoded(text):
        unreserved = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~"
        return "".join(chr(byte) if byte in unreserved else f"%{byte:02X}" for byte in text.encode())

    pairs = sorted((encoded(name), encoded(value)) for name, value in parameters.items())
    base = "&".join(["GET", encoded(url), encoded("&".join(f"{name}={value}" for name, value in pairs))])
    return base64.b64encode(hmac.new(b"maple-secret&", base.encode(), digest).digest()).decode()


def test_a_refused_signature_is_not_tried_again_and_names_key_and_clock(oauth1, reply):
    provider, client = oauth1(lambda asked: reply({}, 401))
    with pytest.raises(CredentialsRefused) as refused:
        read(client)

    assert len(provider.asked) == 1
    assert "HMAC-SHA256 signature made with Consumer Key and Secret" in str(refused.value)
    assert "clock" not in str(refused.value)


def test_credentials_past_their_day_say_so(provide, connect, reply):
    from datetime import date

    provider = provide(lambda asked: reply({}, 401))
    client = connect(provider, "1.1", fields={"auth_url": None, "expires_on": date(2020, 7, 1)})
    with pytest.raises(CredentialsRefused) as refused:
        read(client)

    assert "expired on July 1, 2020" in refused.value.remedy


# -- bearer


def test_a_fixed_token(provide, connect, paged):
    provider = provide(paged(2, total=2))
    rows, _ = read(connect(provider, "1.1", fields={"auth_url": None, "auth": "bearer"}))

    assert len(rows) == 2
    assert {asked.headers["authorization"] for asked in provider.asked} == {"Bearer maple-secret"}


def test_a_machines_netrc_does_not_replace_our_secret(provide, connect, paged, tmp_path, monkeypatch):
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login someone password else\n")
    monkeypatch.setenv("NETRC", str(netrc))
    provider = provide(paged(1, total=1))
    read(connect(provider))

    assert tokens(provider)[0].headers["authorization"] == BASIC
    assert provider.asked[-1].headers["authorization"] == "Bearer token-4711"
