"""The budget of requests per host holds across threads and processes, and without a warehouse."""

from __future__ import annotations

import multiprocessing
import threading
import time
import uuid
from datetime import UTC, datetime

import pytest
import sqlalchemy as sa

from rollcall.errors import RollcallError
from rollcall.settings import District, ExtractSettings, Schedule
from rollcall.warehouse.lease import HostLease

OFF_PEAK = datetime(2026, 11, 21, 23, tzinfo=UTC)
PEAK = datetime(2026, 11, 21, 12, tzinfo=UTC)


def _district(concurrency: int = 3) -> District:
    return District(
        district="elm",
        name="Elm",
        version="1.2",
        usernames="email",
        schedule=Schedule(timezone="UTC", off_peak="22:00-05:00"),
        extract=ExtractSettings(concurrency=concurrency),
    )


class Counter:
    """How many are inside at once, at most."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.inside = self.most = self.done = 0

    def __enter__(self) -> None:
        with self.lock:
            self.inside += 1
            self.most = max(self.most, self.inside)

    def __exit__(self, *_: object) -> None:
        with self.lock:
            self.inside -= 1
            self.done += 1


def _work(lease: HostLease, counter: Counter, host: str, times: int) -> None:
    for _ in range(times):
        with lease.slot(host), counter:
            time.sleep(0.005)


def _run(leases: list[HostLease], hosts: list[str], counter: Counter, threads: int = 6) -> None:
    workers = [
        threading.Thread(target=_work, args=(leases[n % len(leases)], counter, hosts[n % len(hosts)], 5))
        for n in range(threads)
    ]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()


def test_off_peak_never_more_than_the_district_allows_and_as_many(engine):
    counter = Counter()
    with HostLease(engine.url, _district(), now=lambda: OFF_PEAK) as lease:
        _run([lease], ["sis.example"], counter)
    assert (counter.done, counter.most) == (30, 3)
    assert lease.requests_in_peak == 0


def test_in_peak_hours_one_by_one(engine):
    counter = Counter()
    with HostLease(engine.url, _district(), now=lambda: PEAK) as lease:
        _run([lease], ["sis.example"], counter)
    assert (counter.done, counter.most, lease.requests_in_peak) == (30, 1, 30)


def test_two_leases_of_one_host_share_its_places(engine):
    counter = Counter()
    with (
        HostLease(engine.url, _district(), now=lambda: OFF_PEAK) as one,
        HostLease(engine.url, _district(), now=lambda: OFF_PEAK) as other,
    ):
        _run([one, other], ["sis.example"], counter, threads=8)
    assert (counter.done, counter.most) == (40, 3)


def test_hosts_do_not_wait_for_each_other(engine):
    counter = Counter()
    with HostLease(engine.url, _district(1), now=lambda: OFF_PEAK) as lease, lease.slot("a.example"):
        _run([lease], ["b.example"], counter, threads=2)
    assert counter.done == 10


def test_a_night_that_passes_the_end_of_off_peak_goes_on_serially(engine):
    clock = [OFF_PEAK]
    with HostLease(engine.url, _district(), now=lambda: clock[0]) as lease:
        counter = Counter()
        _run([lease], ["sis.example"], counter)
        clock[0] = PEAK
        serial = Counter()
        _run([lease], ["sis.example"], serial)
    assert (counter.most, serial.most) == (3, 1)


def _hold_and_die(url: str, held: object) -> None:
    import os

    lease = HostLease(sa.make_url(url), _district(1), now=lambda: OFF_PEAK)
    place = lease.slot("sis.example")
    place.__enter__()
    held.set()  # type: ignore[attr-defined]
    time.sleep(1)
    os._exit(9)


def test_a_killed_process_gives_its_place_back(engine):
    context = multiprocessing.get_context("spawn")
    held = context.Event()
    other = context.Process(target=_hold_and_die, args=(engine.url.render_as_string(hide_password=False), held))
    other.start()
    assert held.wait(30)
    with HostLease(engine.url, _district(1), now=lambda: OFF_PEAK) as lease, lease.slot("sis.example"):
        other.join()
        assert other.exitcode == 9
    assert lease.seconds_waited > 0.2


def test_without_a_warehouse_requests_go_one_by_one():
    counter = Counter()
    nowhere = sa.make_url("postgresql+psycopg://u@127.0.0.1:1/none")
    with HostLease(nowhere, _district(), now=lambda: OFF_PEAK) as lease:
        _run([lease], ["sis.example"], counter)
    assert (counter.done, counter.most) == (30, 1)


def test_a_warehouse_that_goes_down_while_held_does_not_stop_the_pull(engine):
    with HostLease(engine.url, _district(), now=lambda: OFF_PEAK) as lease:
        with lease.slot("sis.example"), engine.connect() as connection:
            others = "datname = current_database() AND pid <> pg_backend_pid()"
            connection.exec_driver_sql(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE {others}")
        counter = Counter()
        _run([lease], ["sis.example"], counter, threads=2)
    assert counter.done == 10


@pytest.mark.parametrize("concurrency", [1, 5])
def test_places_are_as_many_as_the_district_says(engine, concurrency):
    counter = Counter()
    with HostLease(engine.url, _district(concurrency), now=lambda: OFF_PEAK) as lease:
        _run([lease], ["sis.example"], counter, threads=8)
    assert counter.most == concurrency


@pytest.fixture
def limited(engine):
    """The warehouse for a role that may have two sessions."""
    role = f"limited_{uuid.uuid4().hex[:8]}"
    with engine.begin() as connection:
        connection.exec_driver_sql(f"CREATE ROLE {role} LOGIN CONNECTION LIMIT 2")
    yield engine.url.set(username=role)
    with engine.begin() as connection:
        connection.exec_driver_sql(f"DROP ROLE {role}")


def test_a_warehouse_that_refuses_connections_is_not_down(limited):
    counter = Counter()
    with HostLease(limited, _district(), now=lambda: OFF_PEAK) as lease:
        _run([lease], ["sis.example"], counter)
    assert (counter.done, counter.most) == (30, 2)


def test_a_request_waits_for_a_connection_and_is_not_sent_without(limited):
    counter = Counter()
    others = sa.create_engine(limited, poolclass=sa.pool.NullPool)
    with HostLease(limited, _district(), now=lambda: OFF_PEAK) as lease, others.connect(), others.connect() as other:
        worker = threading.Thread(target=_work, args=(lease, counter, "sis.example", 1))
        worker.start()
        worker.join(1)
        assert counter.done == 0
        other.close()
        worker.join(20)
    assert counter.done == 1


def test_a_connection_that_never_comes_is_an_error(limited, monkeypatch):
    monkeypatch.setattr("rollcall.warehouse.lease._CONNECTION_PATIENCE", 0.5)
    others = sa.create_engine(limited, poolclass=sa.pool.NullPool)
    with (
        HostLease(limited, _district(), now=lambda: OFF_PEAK) as lease,
        others.connect(),
        others.connect(),
        pytest.raises(RollcallError) as caught,
        lease.slot("sis.example"),
    ):
        pass
    assert caught.value.code == "warehouse_connections"


def test_a_task_has_one_session_more_than_it_sends_requests(engine):
    """Six threads wait for the one slot of peak hours."""
    counter, most = Counter(), 0
    sessions = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
    with HostLease(engine.url, _district(), now=lambda: PEAK) as lease, engine.connect() as watch:
        already = watch.exec_driver_sql(sessions).scalar()
        workers = [threading.Thread(target=_work, args=(lease, counter, "sis.example", 10)) for _ in range(6)]
        for worker in workers:
            worker.start()
        while any(worker.is_alive() for worker in workers):
            watch.rollback()
            most = max(most, watch.exec_driver_sql(sessions).scalar() - already)
    assert (counter.done, counter.most) == (60, 1)
    assert most <= 2
