"""What a 403 is: a token that ended, a firewall, or what the district does not share."""

import threading

import pytest

from rollcall.oneroster.errors import BlockedByFirewall, CredentialsRefused, PermissionRefused
from rollcall.oneroster.http import Response
from rollcall.oneroster.refusals import reports_expired_token

WITH_A_WORD = {"message": "The incoming token has expired"}


def read(client, collection="orgs"):
    reader = client.pages(collection)
    return [record.sourced_id for page in reader for record in page.records], reader.proof


def tokens(provider):
    return [asked for asked in provider.asked if asked.method == "POST"]


@pytest.fixture
def ending(provide, paged, reply):
    """A provider whose tokens are good for so many requests, and answered 403 afterwards.

    The search for the Base URL is the first request of the first token.
    """

    def start(good_for, body, *, count=60, headers=None):
        pages, uses, lock, given = paged(count, most=2, total=count), {}, threading.Lock(), []

        def answer(asked):
            with lock:
                token = asked.headers["authorization"]
                uses[token] = uses.get(token, 0) + 1
                if uses[token] > good_for:
                    return reply(body, 403, headers or {})
            return pages(asked)

        def token(asked):
            given.append(asked)
            return reply({"access_token": f"token-{len(given)}", "expires_in": 3600})

        return provide(answer, token)

    return start


@pytest.mark.parametrize(
    ("body", "headers"),
    [(WITH_A_WORD, {}), ({}, {"WWW-Authenticate": 'Bearer error="invalid_token"'}), ({"message": "Forbidden"}, {}),
     (b"", {}), (b"<html><body>HTTP Status 403</body></html>", {"Content-Type": "text/html"})],
    ids=["a word", "a header", "forbidden", "nothing", "a page of the server"],
)  # fmt: skip
def test_a_token_that_ended_is_renewed_once_and_the_same_page_asked_again(ending, connect, body, headers):
    provider = ending(9, body, headers=headers)
    ids, proof = read(connect(provider, concurrency=1))

    assert ids == [f"o{number}" for number in range(60)]
    assert proof.kind == "total"
    # 32 answers are needed (the Base URL, 30 pages, the end), nine a token
    assert len(tokens(provider)) == 4
    assert len(provider.data_requests()) == 31 + 3


def test_parallel_pages_renew_it_once(provide, connect, paged, reply):
    pages, ended, lock = paged(60, most=2, total=60), threading.Event(), threading.Lock()
    held, given = [], []
    together = threading.Barrier(4)

    def answer(asked):
        if asked.headers["authorization"] == "Bearer token-1" and asked.offset >= 8:
            with lock:
                held.append(asked)
                first = len(held) <= 4
            if first:
                together.wait(5)  # four threads are refused at the same time
            ended.set()
            return reply(WITH_A_WORD, 403)
        return pages(asked)

    def token(asked):
        given.append(asked)
        return reply({"access_token": f"token-{len(given)}", "expires_in": 3600})

    ids, proof = read(connect(provide(answer, token), concurrency=4))
    assert (len(ids), proof.kind) == (60, "total")
    assert ended.is_set()
    assert len(given) == 2


@pytest.mark.parametrize("body", [WITH_A_WORD, {"message": "Forbidden"}])
def test_a_403_that_stays_is_refused_after_one_new_token(provide, connect, paged, reply, body):
    pages = paged(3, total=3)
    provider = provide(lambda asked: reply(body, 403) if asked.path.endswith("users") else pages(asked))
    client = connect(provider)
    read(client)
    with pytest.raises(CredentialsRefused if body is WITH_A_WORD else PermissionRefused) as refused:
        read(client, "users")

    assert len(tokens(provider)) == 2
    assert len([asked for asked in provider.data_requests() if asked.path.endswith("users")]) == 2
    assert ("Data to Share" in refused.value.remedy) == (body is not WITH_A_WORD)


def test_several_threads_that_stay_refused_ask_for_few_tokens(provide, connect, paged, reply):
    pages = paged(3, total=3)
    provider = provide(lambda asked: pages(asked) if asked.path.endswith("orgs") else reply(WITH_A_WORD, 403))
    client = connect(provider, concurrency=5)
    read(client)
    refused = []

    def try_to_read(name):
        with pytest.raises(CredentialsRefused):
            read(client, name)
        refused.append(name)

    names = ("users", "classes", "courses", "enrollments", "academic_sessions")
    threads = [threading.Thread(target=try_to_read, args=(name,)) for name in names]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(refused) == sorted(names)
    assert len(tokens(provider)) <= 3


def test_a_fixed_token_that_ended_is_said_to_have_ended(provide, connect, reply):
    fields = {"auth": "bearer", "auth_url": None}
    provider = provide(lambda asked: reply(WITH_A_WORD, 403))
    with pytest.raises(CredentialsRefused) as refused:
        read(connect(provider, "1.1", fields=fields))

    assert refused.value.code == "token_refused"
    assert "the bearer token is invalid or expired" in refused.value.message
    assert "Data to Share" not in refused.value.remedy
    assert len(provider.asked) == 1


PAGE = b"<!DOCTYPE html><html><head><title>Access denied</title></head><body>Incident 4711</body></html>"


@pytest.mark.parametrize(
    ("body", "headers"),
    [(PAGE, {"Content-Type": "text/html"}), (b"\n <HTML>blocked", {}), (b"", {"Content-Type": "text/html; charset=x"})],
    ids=["a page", "by its beginning", "by its type"],
)
def test_a_firewall_is_not_called_data_to_share(provide, connect, reply, body, headers):
    provider = provide(lambda asked: reply(body, 403, headers))
    with pytest.raises(BlockedByFirewall) as refused:
        read(connect(provider))

    assert refused.value.code == "blocked_by_firewall"
    assert "firewall" in refused.value.message
    assert "Data to Share" not in f"{refused.value.message} {refused.value.remedy}"
    assert "4711" not in f"{refused.value.message} {refused.value.remedy}"


def test_a_firewall_before_the_token_url_is_not_a_wrong_secret(provide, connect, paged, reply):
    provider = provide(paged(3), lambda asked: reply(PAGE, 403, {"Content-Type": "text/html"}))
    with pytest.raises(BlockedByFirewall) as refused:
        read(connect(provider))

    assert refused.value.code == "blocked_by_firewall"
    assert len(tokens(provider)) == 1


@pytest.mark.parametrize(
    ("text", "ended"),
    [
        ("The incoming token has expired", True),
        ('{"error":"invalid_token"}', True),
        ('{"code":"TokenExpired"}', True),
        ("ExpiredToken", True),
        ("The access token is not valid", True),
        ("Your session has been revoked", True),
        ("jwt expired", True),
        ("Invalid or expired token", True),
        ("The token lacks the scope roster.readonly", False),
        ("demographics are not among the data this district shares", False),
        ("Your license has expired. Ask for a token of another kind", False),
        ("Forbidden", False),
        ("", False),
    ],
)
def test_the_words_for_a_token_that_ended(text, ended):
    assert reports_expired_token(Response(403, "https://sis.maple.example/users", {}, text.encode())) is ended
