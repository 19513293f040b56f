"""A sourcedId that comes again: the same record once, and whatever differs each time, for validate to choose."""

import pytest


@pytest.fixture
def received(provide, connect, reply):
    """The stamps of o1 that are handed on, page by page, of pages made of (sourcedId, dateLastModified)."""

    def read(*pages):
        def answer(asked):
            before, rows = 0, []
            for page in pages:
                if asked.offset == before:
                    rows = [{"sourcedId": name, "dateLastModified": stamp} for name, stamp in page]
                before += len(page)
            return reply({"orgs": rows})

        reader = connect(provide(answer), page_size=2).pages("orgs")
        taken = [(page.attempt, list(page.records)) for page in reader]
        last = [record for attempt, page in taken if attempt == reader.proof.attempt for record in page]
        return [record.date_last_modified for record in last if record.sourced_id == "o1"]

    return read


def test_the_same_record_again_is_taken_once(received):
    assert received([("o1", "2026-08-01"), ("o1", "2026-08-01")], [("o2", "2026-08-01")]) == ["2026-08-01"]


@pytest.mark.parametrize("stamps", [("2026-08-01", "2026-08-02"), ("2026-08-02", "2026-08-01")])
def test_a_record_changed_in_between_is_taken_with_each_of_its_stamps(received, stamps):
    assert received([("o1", stamps[0]), ("o2", "2026-08-01")], [("o1", stamps[1]), ("o3", "x")]) == list(stamps)
