"""The client against single odd answers over real HTTP."""

import contextlib
import gzip
import json
import re
import socket
import ssl
import threading
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from rollcall.oneroster import OneRosterClient, OneRosterConnection, Retry
from rollcall.oneroster.errors import (
    BaseUrlWrong,
    CredentialsRefused,
    EndpointNotFound,
    InvalidResponse,
    LimitExceeded,
    PermissionRefused,
    ProviderUnavailable,
    RequestRefused,
)

GOOD = {"orgs": [{"sourcedId": "o0"}]}


def read(client, collection="orgs"):
    return [record.sourced_id for page in client.pages(collection) for record in page.records]


def only_under(prefix, paged, reply, other):
    """A service that answers below one path and something else everywhere else."""
    pages = paged(3, total=3)
    return lambda asked: pages(asked) if asked.path.startswith(f"{prefix}/orgs") else other


# -- the Base URL


@pytest.mark.parametrize(
    ("version", "service", "base", "asked"),
    [
        ("1.2", "/ims/oneroster/rostering/v1p2", "/ims/oneroster", 2),
        ("1.2", "/ims/oneroster/rostering/v1p2", "/ims/oneroster/", 2),
        ("1.2", "/ims/oneroster/rostering/v1p2", "/ims/oneroster/rostering/v1p2", 1),
        ("1.2", "/ims/oneroster/rostering/v1p2", "/ims/oneroster/rostering/v1p2//", 1),
        ("1.1", "/ims/oneroster/v1p1", "/ims/oneroster", 2),
        ("1.1", "/ims/oneroster/v1p1", "/ims/oneroster/v1p1/", 1),
        ("1.1", "/ims/oneroster/rostering/v1p1", "/ims/oneroster", 3),
        ("1.1", "/learningdata/v1", "/learningdata/v1", 1),
    ],
)
def test_the_base_url_may_end_before_or_after_the_services_path(
    provide, connect, paged, reply, version, service, base, asked
):
    provider = provide(only_under(service, paged, reply, reply({}, 404)))
    client = connect(provider, version, fields={"base_url": f"http://127.0.0.1:{provider.port}{base}"})

    assert len(read(client)) == 3
    assert client.base_url == f"http://127.0.0.1:{provider.port}{service}"
    assert len(read(client)) == 3
    searched = [asked for asked in provider.asked if asked.query.get("limit") == "1"]
    assert len(searched) == asked


@pytest.mark.parametrize("wrong", [404, 405, 501])
def test_what_stands_at_a_wrong_path_does_not_matter(provide, connect, paged, reply, wrong):
    provider = provide(only_under("/ims/oneroster/rostering/v1p2", paged, reply, reply(b"<html>no</html>", wrong)))

    assert len(read(connect(provider))) == 3


@pytest.mark.parametrize("body", [b"<html>Welcome</html>", {"status": "up"}])
def test_a_page_that_is_no_service_is_a_wrong_path(provide, connect, paged, reply, body):
    provider = provide(only_under("/ims/oneroster/rostering/v1p2", paged, reply, reply(body)))

    assert len(read(connect(provider))) == 3


def test_no_service_anywhere_names_every_url_that_was_tried(provide, connect, reply):
    provider = provide(lambda asked: reply(b"<html></html>") if "rostering" in asked.path else reply({}, 404))
    with pytest.raises(BaseUrlWrong) as wrong:
        read(connect(provider))

    assert f"{provider.base_url}/orgs?limit=1 (not found)" in str(wrong.value)
    assert f"{provider.base_url}/rostering/v1p2/orgs?limit=1 (html answer)" in str(wrong.value)
    assert "OneRoster 1.2" in str(wrong.value)


@pytest.mark.parametrize(("status", "error"), [(401, CredentialsRefused), (403, PermissionRefused)])
def test_a_refusal_is_no_wrong_path(provide, connect, reply, status, error):
    provider = provide(lambda asked: reply({}, status))
    with pytest.raises(error):
        read(connect(provider))

    assert {asked.path for asked in provider.asked if asked.method == "GET"} == {"/ims/oneroster/orgs"}


def test_threads_look_for_the_base_url_once(provide, connect, paged):
    provider = provide(paged(3, total=3))
    client = connect(provider)
    threads = [threading.Thread(target=read, args=(client,)) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len([asked for asked in provider.asked if asked.query.get("limit") == "1"]) == 1


def test_threads_that_wait_for_a_base_url_fail_with_the_first(provide, connect, reply):
    provider = provide(lambda asked: reply({}, 404))
    client = connect(provider)
    for _ in range(3):
        with pytest.raises(BaseUrlWrong):
            read(client)

    assert len([asked for asked in provider.asked if asked.method == "GET"]) == 2


# -- refusals


def failing_at(collection, answer, reply):
    return lambda asked: answer if asked.path.endswith(f"/{collection}") else reply(GOOD)


@pytest.mark.parametrize(
    ("status", "error", "code"),
    [
        (400, RequestRefused, "request_refused"),
        (401, CredentialsRefused, "credentials_refused"),
        (403, PermissionRefused, "permission_refused"),
        (404, EndpointNotFound, "not_offered"),
        (405, EndpointNotFound, "not_offered"),
        (422, RequestRefused, "request_refused"),
    ],
)
def test_a_refusal_fails_at_once_with_url_and_remedy(provide, connect, reply, status, error, code):
    body = {"imsx_codeMajor": "failure", "imsx_description": "planted Ada Lovelace"}
    provider = provide(failing_at("users", reply(body, status), reply))
    with pytest.raises(error) as refused:
        read(connect(provider), "users")

    # a token is renewed once, and of a limit that may be too large it is asked once whether a limit of one is not
    tried = 2 if status in (400, 401, 403, 422) else 1
    assert len(provider.data_requests()) == tried
    assert refused.value.code == code
    assert refused.value.remedy
    assert f"{provider.base_url}/users?limit=5000&offset=0 returned {status}" in str(refused.value)
    assert "planted" not in str(refused.value)


@pytest.mark.parametrize(
    "body",
    [
        {"imsx_codeMajor": "failure", "imsx_CodeMinor": {"imsx_codeMinorField": [
            {"imsx_codeMinorFieldName": "TargetEndSystem", "imsx_codeMinorFieldValue": "invalid_filter_field"}]}},
        {"statusInfoSet": [{"imsx_codeMinor": "invalid_filter_field"}]},
        {"CodeMajor": "failure", "CodeMinor": "Invalid Filter Field"},
        {"errors": [{"codeMinor": "invalid_filter_field", "description": "planted"}]},
    ],
)  # fmt: skip
def test_the_code_minor_is_told_in_all_four_shapes(provide, connect, reply, body):
    provider = provide(failing_at("users", reply(body, 400), reply))
    with pytest.raises(RequestRefused) as refused:
        read(connect(provider), "users")

    assert "(invalid_filter_field)" in str(refused.value)
    assert "planted" not in str(refused.value)


def test_a_filter_is_not_told(provide, connect, reply):
    provider = provide(failing_at("users", reply({}, 400), reply))
    with pytest.raises(RequestRefused) as refused:
        list(connect(provider).pages("users", filter="email='planted@example.org'"))

    assert "planted" not in str(refused.value)
    assert "filter=…" in str(refused.value)


def test_demographics_that_are_not_shared_say_which_box_to_tick(provide, connect, reply):
    provider = provide(failing_at("demographics", reply({}, 403), reply))
    with pytest.raises(PermissionRefused) as refused:
        read(connect(provider, demographics=True), "demographics")

    assert "Demographics under Data to Share" in refused.value.remedy


def clock_of(reply, minutes, status=200, body=None):
    """An answer of a provider whose clock is ahead by so many minutes."""
    date = format_datetime(datetime.now(UTC) + timedelta(minutes=minutes), usegmt=True)
    return reply(GOOD if body is None else body, status, {"Date": date, "X-Total-Count": "1"})


def test_a_signature_of_a_wrong_clock_is_made_anew_with_the_providers_time(provide, connect, reply, paged, caplog):
    def timed(asked):
        signed_at = int(re.search(r'oauth_timestamp="(\d+)"', asked.headers["authorization"])[1])
        theirs = datetime.now(UTC) + timedelta(minutes=-20)
        if abs(signed_at - theirs.timestamp()) > 120:
            return clock_of(reply, -20, 401, {})
        return clock_of(reply, -20, body={"orgs": []} if asked.offset else None)

    provider = provide(timed)
    with caplog.at_level("WARNING"):
        assert read(connect(provider, "1.1", fields={"auth_url": None})) == ["o0"]

    assert [asked.offset for asked in provider.asked] == [0, 0, 0, 1]  # found at the second try, then signed right
    assert caplog.text.count("differ by 20 minutes. Requests are signed with the provider's time") == 1


def test_a_wrong_clock_is_named_where_signing_with_the_providers_time_did_not_help(provide, connect, reply):
    provider = provide(lambda asked: clock_of(reply, 20, 401, {}))
    with pytest.raises(CredentialsRefused) as refused:
        read(connect(provider, "1.1", fields={"auth_url": None}))

    assert len(provider.asked) == 2
    assert "differ by 20 minutes" in refused.value.message
    assert refused.value.remedy.startswith("Set this machine's clock first: it is 20 minutes from the provider's")


# -- answers that are none


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({}, "envelope_missing"),
        ([], "envelope_missing"),
        ({"users": None}, "envelope_missing"),
        (b'{"users": [planted', "json_malformed"),
    ],
)
def test_200_with_something_else_is_an_error_and_not_tried_again(provide, connect, reply, body, code):
    provider = provide(failing_at("users", reply(body), reply))
    with pytest.raises(InvalidResponse) as refused:
        read(connect(provider), "users")

    assert refused.value.code == code
    assert len(provider.data_requests()) == 1
    assert "planted" not in str(refused.value)


def test_a_web_page_of_a_service_that_was_found_may_pass_and_else_says_what_it_is(provide, connect, reply, paged):
    page = reply(b"<!DOCTYPE html><html>planted</html>")

    assert len(read(connect(provide(after([page, page], reply, paged))))) == 7
    provider = provide(failing_at("users", page, reply))
    with pytest.raises(InvalidResponse) as refused:
        read(connect(provider), "users")
    assert refused.value.code == "html_answer"
    assert len(provider.data_requests()) == 3
    assert "planted" not in str(refused.value)


# -- trouble that passes


def after(failures, reply, paged, count=7):
    """The given answers first, good pages from then on; only pages, not the search for the base URL."""
    left, pages = list(failures), paged(count, total=count)

    def answer(asked):
        return left.pop(0) if left and "offset" in asked.query else pages(asked)

    return answer


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
def test_trouble_that_may_pass_is_tried_again(provide, connect, reply, paged, status):
    provider = provide(after([reply(b"<html>", status), reply({}, status)], reply, paged))
    client = connect(provider)

    assert len(read(client)) == 7
    assert [asked.offset for asked in provider.data_requests()] == [0, 0, 0, 7]
    assert client.usage.seconds_waited > 0


@pytest.mark.parametrize("cut", [0, 5, 60])
def test_a_connection_that_drops_in_the_middle_is_tried_again(provide, connect, reply, paged, cut):
    whole = {"orgs": [{"sourcedId": f"o{number}"} for number in range(7)]}
    provider = provide(after([reply(whole, cut=cut)], reply, paged))

    assert len(read(connect(provider))) == 7


def test_json_that_ends_too_early_is_tried_again(provide, connect, reply, paged):
    provider = provide(after([reply(b'{"orgs": [{"sourcedId": "o0"}, {"sour')], reply, paged))

    assert len(read(connect(provider))) == 7


@pytest.mark.parametrize("chunked", [False, True])
@pytest.mark.parametrize("coding", ["gzip", None])
def test_compressed_and_chunked_bodies_arrive_whole_or_are_retried(provide, connect, reply, paged, coding, chunked):
    body = json.dumps({"orgs": [{"sourcedId": f"o{number}"} for number in range(700)]}).encode()
    headers = {"X-Total-Count": "700"}
    if coding:
        body, headers = gzip.compress(body), {**headers, "Content-Encoding": coding}

    def page(cut=None):
        return reply(body, headers=headers, cut=cut, chunked=chunked)

    pages, last = [page(cut=0), page(cut=30), page(cut=len(body) - 9), page()], paged(700, total=700)
    provider = provide(lambda asked: pages.pop(0) if asked.query.get("offset") == "0" else last(asked))
    client = connect(provider, retry=Retry(attempts=5, first_wait=0.001))

    assert len(read(client)) == 700
    assert [asked.offset for asked in provider.data_requests()] == [0, 0, 0, 0, 700]
    assert client.usage.bytes_received > len(body)


def test_retry_after_is_honoured_as_seconds_and_as_a_date(provide, connect, reply, paged):
    slept = []
    retry = Retry(attempts=5, first_wait=0.01, patience=100, sleep=slept.append)
    date = format_datetime(datetime.now(UTC) + timedelta(seconds=20), usegmt=True)
    troubles = [reply({}, 429, {"Retry-After": value}) for value in ("7", date, "soon")]
    client = connect(provide(after(troubles, reply, paged)), retry=retry)

    assert len(read(client)) == 7
    assert 7 <= slept[0] < 7.1
    assert 17 < slept[1] < 20.1
    assert slept[2] < 0.1
    assert client.usage.seconds_waited == pytest.approx(sum(slept))


def test_patience_ends_with_the_last_answer_in_words(provide, connect, reply):
    provider = provide(failing_at("users", reply(b"<html>planted", 503, {"Retry-After": "0"}), reply))
    with pytest.raises(ProviderUnavailable) as refused:
        read(connect(provider), "users")

    assert refused.value.code == "provider_failing"
    assert "503 Service Unavailable; tried 3 times" in str(refused.value)
    assert "planted" not in str(refused.value)


def test_a_quota_longer_than_our_patience_is_told(provide, connect, reply):
    provider = provide(failing_at("users", reply({}, 429, {"Retry-After": "3600"}), reply))
    with pytest.raises(ProviderUnavailable) as refused:
        read(connect(provider), "users")

    assert refused.value.code == "provider_busy"
    assert "tried once. It asks to wait 3600 seconds" in str(refused.value)


def test_a_host_that_is_not_there(provide, connect):
    gone = provide(lambda asked: None)
    gone.stop()
    for base_url, says in (
        (gone.base_url, f"127.0.0.1:{gone.port} could not be reached"),
        ("https://sis.maple.invalid/ims", "DNS does not know the host sis.maple.invalid"),
    ):
        with pytest.raises(ProviderUnavailable) as refused:
            read(connect(gone, fields={"base_url": base_url, "auth": "bearer"}))
        assert refused.value.code == "provider_unreachable"
        assert says in str(refused.value)


def test_silence_ends_by_time_out(provide, connect, reply, paged):
    hold = threading.Event()

    def answer(asked):
        hold.wait(5)
        return reply({})

    fields = {"auth": "bearer"}
    client = connect(provide(answer), timeout=(1, 0.05), retry=Retry(attempts=2, first_wait=0.001), fields=fields)
    with pytest.raises(ProviderUnavailable) as refused:
        read(client)
    hold.set()

    assert refused.value.code == "provider_timeout"


def test_a_drip_of_bytes_ends_by_time_out(connect):
    """Each byte comes in time; the answer never does."""
    server = socket.create_server(("127.0.0.1", 0))
    done = threading.Event()

    def drip():
        peer, _ = server.accept()
        peer.recv(4096)
        peer.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
        while not done.wait(0.02):
            try:
                peer.sendall(b" ")
            except OSError:
                break
        peer.close()

    thread = threading.Thread(target=drip)
    thread.start()
    connection = OneRosterConnection(f"http://127.0.0.1:{server.getsockname()[1]}", "", "t", auth="bearer")
    client = OneRosterClient(connection, "1.1", retry=Retry(attempts=1), limits={"page_seconds": 0.5})
    with client, pytest.raises(LimitExceeded) as refused:
        read(client)
    done.set()
    thread.join()
    server.close()

    assert refused.value.code == "response_too_slow"


@pytest.fixture
def self_signed(tmp_path):
    """A TLS server whose certificate nobody vouches for; the number of requests it could read."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    day = timedelta(days=1)
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(datetime.now(UTC) - day)
        .not_valid_after(datetime.now(UTC) + day)
        .sign(key, hashes.SHA256())
    )
    pem = tmp_path / "server.pem"
    pem.write_bytes(
        key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()) + made.public_bytes(Encoding.PEM)
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem)
    server = socket.create_server(("127.0.0.1", 0))
    read_requests = []

    def serve():
        with contextlib.suppress(OSError):
            while True:
                peer, _ = server.accept()
                with contextlib.suppress(ssl.SSLError, OSError), context.wrap_socket(peer, server_side=True) as secured:
                    read_requests.append(secured.recv(4096))

    threading.Thread(target=serve, daemon=True).start()
    yield server.getsockname()[1], read_requests
    server.close()


def test_a_certificate_nobody_vouches_for_ends_it_before_anything_is_sent(self_signed):
    port, read_requests = self_signed
    connection = OneRosterConnection(f"https://127.0.0.1:{port}/ims", "", "maple-secret", auth="bearer")
    client = OneRosterClient(connection, "1.1", retry=Retry(attempts=3, first_wait=0.001))
    with client, pytest.raises(ProviderUnavailable) as refused:
        read(client)

    assert refused.value.code == "tls_failed"
    assert client.usage.requests == 1
    assert [request for request in read_requests if request] == []


# -- redirects


def test_a_redirect_on_the_same_host_is_followed_with_a_new_signature(provide, connect, reply, paged):
    pages = paged(3, total=3)

    def answer(asked):
        if asked.path.startswith("/moved"):
            return pages(asked)
        query = "&".join(f"{name}={value}" for name, value in asked.query.items())
        return reply(b"", 302, {"Location": f"/moved{asked.path}?{query}"})

    provider = provide(answer)

    assert len(read(connect(provider, "1.1", fields={"auth_url": None}))) == 3
    assert len({asked.headers["authorization"] for asked in provider.asked}) == len(provider.asked)


def test_a_redirect_to_another_host_is_not_followed(provide, connect, reply):
    thief = provide(lambda asked: reply(GOOD))
    provider = provide(
        failing_at("users", reply(b"", 302, {"Location": f"{thief.base_url}/users?token=planted"}), reply)
    )
    with pytest.raises(InvalidResponse) as refused:
        read(connect(provider), "users")

    assert thief.asked == []
    assert refused.value.code == "redirected"
    assert f"redirects to {thief.base_url}/users. Rollcall does not follow it" in str(refused.value)
    assert "planted" not in str(refused.value)


def test_redirects_in_a_circle_end(provide, connect, reply):
    provider = provide(failing_at("users", reply(b"", 301, {"Location": "/ims/oneroster/users"}), reply))
    with pytest.raises(InvalidResponse):
        read(connect(provider), "users")

    assert len([asked for asked in provider.asked if asked.path.endswith("users")]) == 4


# -- manners


def test_requests_go_over_kept_connections_and_are_counted(provide, connect, paged):
    provider = provide(paged(50, most=5, total=50))
    client = connect(provider, concurrency=1)
    read(client)
    usage = client.usage

    assert provider.connections == 1
    assert usage.requests == len(provider.asked) == 1 + 1 + 11
    assert usage.token_requests == 1
    assert usage.most_at_once == 1
    assert usage.bytes_received > 50 * 20
    assert usage.seconds_waited == 0


@pytest.mark.parametrize("concurrency", [1, 3])
def test_never_more_requests_at_once_than_allowed_tokens_included(provide, connect, paged, reply, concurrency):
    pages, now, most = paged(20, most=2, total=20), [0], [0]
    lock = threading.Lock()

    def counted(answer):
        def inner(asked):
            with lock:
                now[0] += 1
                most[0] = max(most[0], now[0])
            threading.Event().wait(0.002)
            with lock:
                now[0] -= 1
            return answer(asked)

        return inner

    provider = provide(counted(pages), counted(lambda asked: reply({"access_token": "t", "expires_in": 0.01})))
    client = connect(provider, concurrency=concurrency)
    client.base_url  # noqa: B018 - looked for before the threads start
    threads = [threading.Thread(target=read, args=(client,)) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert most[0] == client.usage.most_at_once == concurrency
    assert client.usage.token_requests > 1


def test_extra_headers_go_to_the_providers_host_only(provide, connect, paged):
    provider, elsewhere = provide(paged(1, total=1)), provide(paged(1))
    headers = {"headers": {"X-App": "rollcall"}, "secret_headers": {"X-Key": "maple-key"}}
    read(connect(provider, fields={**headers, "auth_url": elsewhere.token_url}))

    assert {(asked.headers["x-app"], asked.headers["x-key"]) for asked in provider.asked} == {("rollcall", "maple-key")}
    (token,) = elsewhere.asked
    assert not {"x-app", "x-key"} & token.headers.keys()


def test_another_name_of_the_envelope_is_read_and_told_in_the_log(provide, connect, reply, caplog):
    rows = [{"sourcedId": "o0"}]
    provider = provide(lambda asked: reply({"schools": [] if asked.offset else rows}))
    with caplog.at_level("INFO"):
        assert read(connect(provider)) == ["o0"]

    assert "orgs: received in the envelope `schools`" in caplog.text
