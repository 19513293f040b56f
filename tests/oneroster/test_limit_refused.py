"""A provider that refuses a limit above its maximum in place of lowering it (openAIP, Ed-Fi's DMS)."""

import threading

import pytest

from rollcall.oneroster.errors import RequestRefused

STATUSES = pytest.mark.parametrize("status", [400, 413, 422])


def read(client, collection="orgs", **options):
    reader = client.pages(collection, **options)
    return [record.sourced_id for page in reader for record in page.records], reader.proof


def expected(count):
    return [f"o{number}" for number in range(count)]


def limits(provider, path="orgs"):
    return [int(asked.query["limit"]) for asked in provider.data_requests() if asked.path.endswith(path)]


def strict(paged, reply, most, count, status=400, **options):
    """A script that refuses a limit above `most`."""
    pages = paged(count, **options)

    def answer(asked):
        if int(asked.query["limit"]) > most:
            return reply({"imsx_codeMajor": "failure", "imsx_description": f"limit must be 1 to {most}"}, status)
        page = pages(asked)
        name = asked.path.rpartition("/")[2]
        return reply({name: page.body["orgs"]}, headers=page.headers)

    return answer


@STATUSES
@pytest.mark.parametrize("total", [250, None])
@pytest.mark.parametrize("concurrency", [1, 4])
def test_the_largest_accepted_limit_is_found_and_kept(provide, connect, paged, reply, status, total, concurrency):
    provider = provide(strict(paged, reply, 100, 250, status, total=total))
    client = connect(provider, concurrency=concurrency)
    ids, proof = read(client)

    assert ids == expected(250)
    assert (proof.proven, proof.pages, proof.rows_per_page) == (True, 3, 100)
    assert limits(provider) == [5000, 1, 3000, 2000, 1000, 500, 250, 200, 100, 100, 100, 100]
    assert client.largest_limit == 100


def test_it_is_found_once_for_all_collections(provide, connect, paged, reply):
    """Also where several threads are refused at the same time."""
    provider = provide(strict(paged, reply, 500, 1200, total=1200))
    client = connect(provider, concurrency=5)
    threads = [threading.Thread(target=read, args=(client, name)) for name in ("orgs", "users", "classes", "courses")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    refused = [asked for asked in provider.data_requests() if int(asked.query["limit"]) > 500]
    probes = [asked for asked in provider.data_requests() if int(asked.query["limit"]) == 1]

    assert len(probes) == 1
    assert len(refused) <= 4 + 3  # the first page of each, and the search of one of them: 3000, 2000, 1000
    assert read(client, "enrollments")[0] == expected(1200)
    assert {int(asked.query["limit"]) for asked in provider.data_requests() if "enrollments" in asked.path} == {500}


def test_what_was_found_before_is_asked_for_at_once(provide, connect, paged, reply):
    provider = provide(strict(paged, reply, 100, 150, total=150))
    client = connect(provider)
    client.assume_limit(100)

    assert read(client)[0] == expected(150)
    assert set(limits(provider)) == {100}
    assert client.largest_limit is None  # nothing new was found


def test_what_was_found_before_and_is_refused_now_is_found_again(provide, connect, paged, reply):
    provider = provide(strict(paged, reply, 50, 150, total=150))
    client = connect(provider)
    client.assume_limit(100)

    assert read(client)[0] == expected(150)
    assert client.largest_limit == 50


def test_a_limit_above_the_total_of_the_rest_may_be_refused_in_the_middle(provide, connect, paged, reply):
    pages = paged(250, total=250)

    def answer(asked):
        rest = 250 - asked.offset
        return reply({}, 422) if asked.offset and int(asked.query["limit"]) > max(rest, 1) else pages(asked)

    ids, proof = read(connect(provide(answer), page_size=200, concurrency=1))
    assert ids == expected(250)
    assert (proof.kind, proof.received) == ("total", 250)


@STATUSES
def test_a_refusal_that_is_not_about_the_limit_stays_one(provide, connect, paged, reply, status):
    provider = provide(lambda asked: reply({}, status) if "offset" in asked.query else reply({"orgs": []}))
    with pytest.raises(RequestRefused) as refused:
        read(connect(provider))

    assert refused.value.code == "request_refused"
    assert "limit=5000" in refused.value.message
    assert limits(provider) == [5000, 1]


def test_a_refused_filter_is_not_taken_for_a_limit(provide, connect, reply):
    body = {"imsx_CodeMinor": {"imsx_codeMinorField": [{"imsx_codeMinorFieldValue": "invalid_filter_field"}]}}
    provider = provide(lambda asked: reply(body, 400) if "filter" in asked.query else reply({"orgs": []}))
    with pytest.raises(RequestRefused):
        read(connect(provider), filter="status='active'")

    assert limits(provider) == [5000]


def test_every_limit_but_one_is_refused_names_the_setting(provide, connect, paged, reply):
    with pytest.raises(RequestRefused) as refused:
        read(connect(provide(strict(paged, reply, 1, 30))))

    assert refused.value.code == "limit_refused"
    assert "extract.page_size" in refused.value.remedy
