"""Pages of one collection in parallel: the same result as one by one, bounded, and never beyond what is known."""

import threading

import pytest

from rollcall.oneroster import LocalBudget, Retry
from rollcall.oneroster.errors import ClientClosed, ProviderUnavailable


def read(client, **options):
    reader = client.pages("orgs", **options)
    pages = [(page.offset, page.received, [record.sourced_id for record in page.records]) for page in reader]
    return pages, reader.proof


def offsets(provider):
    return [asked.offset for asked in provider.data_requests()]


def meeting(script, at_once, count):
    """Answers the pages behind the first only when so many requests are there at the same time."""
    barrier = threading.Barrier(at_once)

    def answer(asked):
        if 0 < asked.offset < count:
            barrier.wait(5)
        return script(asked)

    return answer


@pytest.mark.parametrize("concurrency", [2, 5])
def test_pages_of_one_collection_are_asked_for_at_once_and_come_in_order(provide, connect, paged, concurrency):
    count = 2 * (1 + 2 * concurrency)
    provider = provide(meeting(paged(count, most=2, total=count), concurrency, count))
    pages, proof = read(connect(provider, concurrency=concurrency))

    assert [offset for offset, _, _ in pages] == list(range(0, count, 2))
    assert [one for _, _, ids in pages for one in ids] == [f"o{number}" for number in range(count)]
    assert (proof.kind, proof.received, proof.attempt) == ("total", count, 1)
    assert sorted(offsets(provider)) == list(range(0, count + 1, 2))
    assert provider.most_at_once == concurrency


def test_the_result_and_the_proof_are_those_of_serial_reading(provide, connect, paged):
    for count, most, total in ((0, 5, 0), (4, 5, 4), (5, 5, 5), (23, 5, 23), (23, 5, 30), (23, 5, 20), (23, 5, None)):
        providers = [provide(paged(count, most=most, total=total)) for _ in range(2)]
        serial = read(connect(providers[0], concurrency=1))
        parallel = read(connect(providers[1], concurrency=4))

        assert parallel == serial
        if total in (count, None):  # a total that is too large is believed, and costs requests for nothing
            assert sorted(offsets(providers[1])) == sorted(offsets(providers[0]))


def test_without_a_total_pages_are_read_one_by_one(provide, connect, paged):
    provider = provide(paged(20, most=2))
    read(connect(provider, concurrency=5))

    assert offsets(provider) == list(range(0, 21, 2))
    assert provider.most_at_once == 1


def test_no_more_pages_are_asked_for_than_the_window_holds(provide, connect, paged):
    provider = provide(paged(100, most=2, total=100))
    reader = iter(connect(provider, concurrency=3).pages("orgs"))
    next(reader)
    until(lambda: len(offsets(provider)) == 4)
    next(reader)
    until(lambda: len(offsets(provider)) == 5)
    reader.close()

    assert sorted(offsets(provider)) == [0, 2, 4, 6, 8]


def until(condition):
    for _ in range(2000):
        if condition():
            return
        threading.Event().wait(0.001)
    raise AssertionError("it did not come to that")


def test_a_provider_of_pages_of_any_length_is_soon_read_one_by_one(provide, connect, reply):
    def answer(asked):
        rows = 3 + asked.offset % 4
        numbers = range(asked.offset, min(200, asked.offset + rows))
        return reply({"orgs": [{"sourcedId": f"o{n}"} for n in numbers]}, headers={"X-Total-Count": "200"})

    provider = provide(answer)
    pages, proof = read(connect(provider, concurrency=4))

    assert [one for _, _, ids in pages for one in ids] == [f"o{number}" for number in range(200)]
    assert proof.kind == "total"
    assert len(offsets(provider)) <= len(pages) + 1 + 2 * 4


def test_a_page_that_fails_fails_in_its_turn(provide, connect, paged, reply):
    pages = paged(20, most=2, total=20)
    provider = provide(lambda asked: reply({}, 500) if asked.offset == 6 else pages(asked))
    read_so_far = []
    reader = connect(provider, page_size=50).pages("orgs")
    with pytest.raises(ProviderUnavailable):
        read_so_far.extend(page.offset for page in reader)
    assert read_so_far == [0, 2, 4]


# -- the end of a client


@pytest.mark.parametrize("failing", [503, 429])
def test_closing_a_client_ends_the_waits_of_others_at_once(provide, connect, paged, reply, failing):
    pages = paged(20, most=2, total=20)
    failed = threading.Event()

    def answer(asked):
        if asked.offset == 6:
            failed.set()
            return reply({}, failing, {"Retry-After": "200"})
        return pages(asked)

    client = connect(provide(answer), retry=Retry())
    errors = []

    def pull():
        with pytest.raises(ClientClosed) as stopped:
            read(client)
        errors.append(stopped.value)

    threads = [threading.Thread(target=pull) for _ in range(3)]
    for thread in threads:
        thread.start()
    failed.wait(5)
    client.close()
    for thread in threads:
        thread.join(5)

    assert [error.code for error in errors] == ["reading_stopped"] * 3


def test_a_closed_client_begins_nothing(provide, connect, paged):
    provider = provide(paged(3, total=3))
    client = connect(provider)
    client.close()
    with pytest.raises(ClientClosed):
        read(client)

    assert provider.asked == []


# -- budgets


class Counting(LocalBudget):
    """A budget that records the hosts of its slots."""

    def __init__(self, concurrency):
        super().__init__(concurrency)
        self.hosts = []

    def slot(self, host):
        self.hosts.append(host)
        return super().slot(host)


def test_a_budget_is_asked_before_every_request_token_requests_included(provide, connect, paged):
    provider, tokens = provide(paged(20, most=2, total=20)), provide(paged(0))
    budget = Counting(1)
    client = connect(
        provider,
        budget=budget,
        concurrency=4,
        fields={"auth_url": tokens.token_url.replace("127.0.0.1", "localhost")},
    )
    read(client)

    assert len(tokens.asked) == 1
    assert budget.hosts.count("localhost") == 1
    assert budget.hosts.count("127.0.0.1") == len(provider.asked) == client.usage.requests - 1
    assert provider.most_at_once == client.usage.most_at_once == 1


def test_clients_that_share_a_budget_keep_to_it_together(provide, connect, paged):
    provider = provide(paged(40, most=2, total=40))
    budget = LocalBudget(2)
    clients = [connect(provider, budget=budget, concurrency=4) for _ in range(3)]
    threads = [threading.Thread(target=read, args=(client,)) for client in clients]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert provider.most_at_once <= 2
