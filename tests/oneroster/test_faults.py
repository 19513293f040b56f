"""What goes wrong on the way, and how a pull survives it or says who can put it right."""

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import date

import pytest

from rollcall.oneroster import OneRosterConnection, Retry
from rollcall.oneroster.errors import (
    ConnectionInvalid,
    CredentialsRefused,
    EndpointNotFound,
    PermissionRefused,
    ProviderUnavailable,
)
from rollcall.oneroster.requester import BackoffGate

PATIENT = Retry(attempts=40, first_wait=0.001, longest_wait=0.002)


def read(client, collection="orgs", **options):
    reader = client.pages(collection, **options)
    return [record.sourced_id for page in reader for record in page.records], reader.proof


def expected(count):
    return [f"o{number}" for number in range(count)]


# -- pages that are too heavy


def limits(provider):
    return [(asked.offset, int(asked.query["limit"])) for asked in provider.data_requests()]


@pytest.mark.parametrize("status", [500, 502, 503, 504])
def test_a_page_that_is_too_heavy_is_asked_for_at_half_the_size_which_is_kept(provide, connect, paged, reply, status):
    pages = paged(1000, total=1000)
    provider = provide(lambda asked: reply({}, status) if int(asked.query["limit"]) > 300 else pages(asked))
    client = connect(provider, page_size=1000, concurrency=1, retry=PATIENT)
    ids, proof = read(client)

    assert ids == expected(1000)
    assert (proof.kind, proof.pages, proof.rows_per_page) == ("total", 4, 250)
    assert limits(provider) == [
        (0, 1000), (0, 1000), (0, 500), (0, 500), (0, 250), (250, 250), (500, 250), (750, 250), (1000, 250),
    ]  # fmt: skip


def test_the_learned_size_is_the_collections_own(provide, connect, paged, reply):
    pages = paged(300, total=300)
    heavy = []

    def answer(asked):
        if asked.path.endswith("users") and int(asked.query["limit"]) > 200:
            heavy.append(asked)
            return reply({}, 500)
        page = pages(asked)
        return reply({asked.path.rsplit("/", 1)[1]: page.body["orgs"]}, headers=page.headers)

    client = connect(provide(answer), page_size=300, concurrency=1, retry=PATIENT)
    assert read(client, "users")[1].pages == 2
    assert read(client, "classes")[1].pages == 1
    assert len(heavy) == 2


@pytest.mark.parametrize("concurrency", [1, 4])
def test_one_heavy_page_in_the_middle_loses_nothing(provide, connect, paged, reply, concurrency):
    pages = paged(6000, total=6000)

    def answer(asked):
        first, last = asked.offset, asked.offset + int(asked.query.get("limit", 1))
        return reply({}, 504) if first <= 2100 < last and last - first > 400 else pages(asked)

    ids, proof = read(connect(provide(answer), page_size=1000, concurrency=concurrency, retry=PATIENT))

    assert ids == expected(6000)
    assert (proof.kind, proof.received, proof.rows_per_page) == ("total", 6000, 1000)


def test_pages_never_get_smaller_than_100_rows(provide, connect, reply):
    provider = provide(lambda asked: reply({}, 500) if "offset" in asked.query else reply({"orgs": []}))
    with pytest.raises(ProviderUnavailable):
        read(connect(provider, page_size=700, retry=replace(PATIENT, attempts=12)))

    assert [limit for _, limit in limits(provider)] == [700] * 2 + [350] * 2 + [175] * 2 + [100] * 6


def test_silence_makes_a_page_lighter_too(provide, connect, paged, reply):
    pages, done = paged(200, total=200), threading.Event()

    def answer(asked):
        if int(asked.query["limit"]) > 100:
            done.wait(5)
        return pages(asked)

    provider = provide(answer)
    ids, _ = read(connect(provider, page_size=200, concurrency=1, timeout=(1, 0.2), retry=PATIENT))
    done.set()

    assert ids == expected(200)
    assert limits(provider) == [(0, 200), (0, 200), (0, 100), (100, 100), (200, 100)]


@pytest.mark.parametrize(("status", "headers"), [(429, {}), (503, {"Retry-After": "0"})])
def test_a_provider_that_is_only_busy_is_asked_for_the_same_page(provide, connect, paged, reply, status, headers):
    pages, left = paged(1000, total=1000), [0] * 5

    def answer(asked):
        if "offset" in asked.query and left:
            left.pop()
            return reply(b"<html>busy</html>", status, headers)
        return pages(asked)

    provider = provide(answer)
    assert read(connect(provider, page_size=1000, retry=PATIENT))[0] == expected(1000)
    assert {limit for _, limit in limits(provider)} == {1000}


# -- 429 means everybody


def test_while_one_thread_waits_for_all_no_other_begins_a_request():
    gate, asleep, wake = BackoffGate(), threading.Event(), threading.Event()
    passed = []

    def sleep(_):
        asleep.set()
        wake.wait(5)

    def other():
        gate.wait_until_open()
        passed.append("other")

    sleeper = threading.Thread(target=lambda: gate.sleep(60, pause_all=True, sleep=sleep))
    sleeper.start()
    asleep.wait(5)
    assert gate.is_paused
    threads = [threading.Thread(target=other) for _ in range(3)]
    for thread in threads:
        thread.start()
    assert passed == []
    wake.set()
    for thread in (sleeper, *threads):
        thread.join(5)
    assert passed == ["other"] * 3
    assert not gate.is_paused


def test_a_429_pauses_the_whole_client(provide, connect, paged, reply):
    """While the thread that was reported to wait sleeps, nothing reaches the provider."""
    pages, reported = paged(40, most=2, total=40), threading.Event()
    during = []

    def answer(asked):
        if asked.offset == 4 and not reported.is_set():
            reported.set()
            return reply({}, 429, {"Retry-After": "1"})
        return pages(asked)

    provider = provide(answer)

    def sleep(_):
        threading.Event().wait(0.05)  # those that were under way come to their end
        before = len(provider.asked)
        threading.Event().wait(0.1)
        during.append(len(provider.asked) - before)

    client = connect(provider, concurrency=4, retry=Retry(sleep=sleep))
    threads = [threading.Thread(target=read, args=(client,)) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert during == [0]


def test_threads_that_wait_at_the_same_time_wait_once():
    gate, together = BackoffGate(), threading.Barrier(5)

    def sleeper(seconds):
        gate.sleep(seconds, pause_all=True, sleep=lambda _: together.wait(5))

    threads = [threading.Thread(target=sleeper, args=(seconds,)) for seconds in (10, 20, 60, 30, 60)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(5)

    assert gate.seconds == pytest.approx(60, abs=0.5)
    gate.sleep(7, pause_all=False, sleep=lambda _: None)  # a wait after the pause is another one
    assert gate.seconds == pytest.approx(67, abs=0.5)


def test_a_pause_says_how_long_it_lasts():
    gate, asleep, wake = BackoffGate(), threading.Event(), threading.Event()

    def sleep(_):
        asleep.set()
        wake.wait(5)

    assert gate.seconds_left is None
    thread = threading.Thread(target=lambda: gate.sleep(60, pause_all=True, sleep=sleep))
    thread.start()
    asleep.wait(5)
    assert 55 < gate.seconds_left <= 60
    wake.set()
    thread.join(5)
    assert gate.seconds_left is None


def test_parallel_requests_that_are_answered_429_wait_once_in_the_statistics(provide, connect, paged, reply):
    """Five collections are answered 429 at the same time; each second of the pause is counted once."""
    pages, lock, busy, together = paged(3, total=3), threading.Lock(), set(), threading.Barrier(5)

    def answer(asked):
        if "offset" in asked.query:
            with lock:
                is_first = asked.path not in busy
                busy.add(asked.path)
            if is_first:
                together.wait(5)
                return reply({}, 429, {"Retry-After": "1"})
        name = asked.path.rpartition("/")[2]
        page = pages(asked)
        return reply({name: page.body["orgs"]}, headers=page.headers)

    client = connect(provide(answer), concurrency=5, retry=Retry(first_wait=0.05))
    assert client.base_url
    names = ("orgs", "users", "classes", "courses", "enrollments")
    threads = [threading.Thread(target=read, args=(client, name)) for name in names]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert 1 <= client.usage.seconds_waited < 2


def test_the_pauses_of_others_are_not_taken_from_a_requests_patience(provide, connect, paged, reply):
    """One request at a time, as in peak hours: each of five collections is answered 429 twice, and every pause lasts
    longer than half of what a request is patient.
    """
    pages, lock, answered = paged(3, total=3), threading.Lock(), {}

    def answer(asked):
        if "offset" in asked.query:
            with lock:
                times = answered[asked.path] = answered.get(asked.path, 0) + 1
            if times <= 2:
                return reply({}, 429, {"Retry-After": "0"})
        name = asked.path.rpartition("/")[2]
        page = pages(asked)
        return reply({name: page.body["orgs"]}, headers=page.headers)

    client = connect(
        provide(answer), concurrency=1, retry=Retry(patience=0.5, sleep=lambda _: threading.Event().wait(0.2))
    )
    assert client.base_url
    names = ("orgs", "users", "classes", "courses", "enrollments")
    with ThreadPoolExecutor(len(names)) as pool:
        found = [future.result() for future in [pool.submit(read, client, name) for name in names]]

    assert [len(ids) for ids, _ in found] == [3] * 5


# -- the Token URL


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_the_token_url_is_followed_once_on_its_own_host_and_stays_a_post(provide, connect, paged, reply, status):
    def token(asked):
        if asked.path == "/token":
            return reply(b"", status, {"Location": "/token/v2?appName=maple"})
        return reply({"access_token": "good"})

    provider = provide(paged(2, total=2), token)
    assert len(read(connect(provider))[0]) == 2
    asked = [asked for asked in provider.asked if asked.path.startswith("/token")]
    assert [(one.method, one.path) for one in asked] == [("POST", "/token"), ("POST", "/token/v2")]
    assert asked[1].form == asked[0].form
    assert asked[1].headers["authorization"] == asked[0].headers["authorization"]


def test_the_token_url_is_not_followed_twice(provide, connect, paged, reply):
    provider = provide(paged(2), lambda asked: reply(b"", 302, {"Location": "/token"}))
    with pytest.raises(ConnectionInvalid) as refused:
        read(connect(provider))

    assert refused.value.code == "redirected"
    assert len(provider.asked) == 2


def test_cookies_are_kept_also_those_of_the_token_url_and_given_to_no_other_host(provide, connect, paged, reply):
    pages, elsewhere = paged(6, most=2, total=6), provide(paged(0))

    def answer(asked):
        page = pages(asked)
        return reply(page.body, headers={**page.headers, "Set-Cookie": "place=maple; Path=/"})

    def token(asked):
        return reply({"access_token": "good"}, headers={"Set-Cookie": "JSESSIONID=4711; Path=/"})

    provider = provide(answer, token)
    client = connect(provider, concurrency=1)
    read(client)
    sent = [asked.headers.get("cookie", "") for asked in provider.asked]

    assert sent[0] == ""
    assert all("JSESSIONID=4711" in cookie for cookie in sent[1:])
    assert all("place=maple" in cookie for cookie in sent[2:])
    fields = {"auth_url": elsewhere.token_url.replace("127.0.0.1", "localhost")}
    read(connect(provider, fields=fields))
    assert "cookie" not in elsewhere.asked[0].headers


def test_a_token_used_up_by_others_is_renewed_as_often_as_it_takes(provide, connect, paged, reply):
    """A provider that grants so many requests to a token, or one token at a time."""
    pages, uses, lock, given = paged(60, most=2, total=60), {}, threading.Lock(), []

    def answer(asked):
        with lock:
            token = asked.headers["authorization"]
            uses[token] = uses.get(token, 0) + 1
            if uses[token] > 3:
                return reply({}, 401)
        return pages(asked)

    def token(asked):
        given.append(asked)
        return reply({"access_token": f"token-{len(given)}", "expires_in": 3600})

    client = connect(provide(answer, token), concurrency=4)
    ids, proof = read(client)

    assert ids == expected(60)
    assert proof.kind == "total"


# -- who can put it right


def refused_with(provide, connect, reply, error, *, data=None, token=None, collection="users", **fields):
    """The error of reading a collection, whose data or token request is answered with a status."""
    good = {"orgs": [{"sourcedId": "o0"}]}
    provider = provide(
        lambda asked: reply({}, data) if data and asked.path.endswith(collection) else reply(good),
        (lambda asked: reply({"error": "invalid_client"}, token)) if token else None,
    )
    options = {"version": fields.pop("version", "1.2"), "fields": fields}
    with pytest.raises(error) as refused:
        read(connect(provider, **options), collection)
    return refused.value


def test_a_401_of_the_token_url_means_the_secret_or_the_connection(provide, connect, reply):
    error = refused_with(provide, connect, reply, CredentialsRefused, token=401)

    assert error.message.startswith("The Token URL ")
    assert "Client ID and Client Secret were not accepted" in error.message
    assert "If the district created a new secret or turned the connection off" in error.remedy
    assert "Digital Learning Applications Configuration" in error.remedy
    assert "Data to Share" not in error.remedy


def test_a_401_of_a_collection_means_scope_or_data_to_share(provide, connect, reply):
    error = refused_with(provide, connect, reply, CredentialsRefused, data=401)

    assert "a token that the Token URL just issued was not accepted" in error.message
    assert error.remedy.startswith("Client ID and Client Secret are correct: they got the token.")
    assert "Data to Share and the schools in scope" in error.remedy
    assert "`scopes` in the connection oneroster_maple" in error.remedy


def test_a_403_names_the_switch_the_schools_and_where_the_district_can_look(provide, connect, reply):
    error = refused_with(provide, connect, reply, PermissionRefused, data=403)

    assert "Data to Share and the schools in scope" in error.remedy
    assert "without an additional license" in error.remedy
    assert "Troubleshooting Documentation > OneRoster API Documentation" in error.remedy


def test_a_404_of_a_collection_says_where_the_district_can_look(provide, connect, reply):
    error = refused_with(provide, connect, reply, EndpointNotFound, data=404)

    assert "Troubleshooting Documentation > OneRoster API Documentation" in error.remedy


def test_a_classic_key_that_is_refused_may_have_to_be_renewed(provide, connect, reply):
    old = {"version": "1.1", "auth_url": None, "collection": "orgs", "data": 401}
    unknown = refused_with(provide, connect, reply, CredentialsRefused, **old)
    assert "after one year. Then the district clicks Renew there" in unknown.remedy
    ended = refused_with(provide, connect, reply, CredentialsRefused, **old, expires_on=date(2020, 7, 1))
    assert ended.remedy.startswith("They expired on July 1, 2020. The district clicks Renew on the connection's page")
    assert "Digital Learning Applications Configuration" in ended.remedy


def test_a_collection_that_was_answered_keeps_failing_alone(provide, connect, reply, paged):
    """A refusal is of its collection: others of the same client can still be read."""
    pages = paged(3, total=3)
    provider = provide(lambda asked: reply({}, 403) if asked.path.endswith("demographics") else pages(asked))
    client = connect(provider, demographics=True)
    with pytest.raises(PermissionRefused):
        read(client, "demographics")

    assert read(client)[0] == expected(3)


def test_a_connection_knows_that_it_ended():
    connection = OneRosterConnection("https://sis.maple.example", "k", "s", expires_on=date(2020, 7, 1))
    days = (date(2020, 6, 30), date(2020, 7, 1), None)
    assert [connection.is_expired(today) for today in days] == [False, True, True]
