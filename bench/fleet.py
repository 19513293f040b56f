"""The night of many: small districts through a real scheduler, and what each of them costs in processor time."""

from __future__ import annotations

import json
import multiprocessing
import os
import shutil
import signal
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import psycopg
import sqlalchemy as sa
from rich.console import Console
from rich.table import Table

from bench.bars import Bar
from bench.district import describe
from bench.processor_time import PARTS, sample
from rollcall.errors import RollcallError
from rollcall.settings.deployment import MOST_SHARDS
from rollcall.warehouse.migrate import upgrade
from rollcall.warehouse.ops_models import runs
from rollcall.warehouse.session import connect
from rollcall_local.airflow import AirflowComponents
from rollcall_local.airflow_env import PROJECT
from rollcall_local.postgres import EmbeddedPostgres, temporary_postgres

#: With staff, 500 people.
STUDENTS = 465
#: Districts that share a host.
_PER_HOST = 50
#: Delta nights after the first night.
NIGHTS = 2
#: A third of a usual night's activity changes 1 row in 200.
_BUSTLE = 0.33
#: 13,000 districts in seven hours.
MOST_PER_HOUR = 1900.0

_METADATA = "airflow"
_WAREHOUSE = "rollcall"
#: Limit in seconds per district until all runs of a night have ended.
_LIMIT = 60.0

#: Settings of Airflow for many small runs; docs/scale.md explains them.
AIRFLOW_SETTINGS: dict[str, str] = {
    "PYTHONDONTWRITEBYTECODE": "",  # as an installed package: modules are compiled once
    "AIRFLOW__CORE__PARALLELISM": "4",
    "AIRFLOW__DAG_PROCESSOR__MIN_FILE_PROCESS_INTERVAL": "300",
}


@dataclass(frozen=True)
class FleetNight:
    """A night of all districts.

    :param seconds: from the moment the runs may start until the last one has ended.
    :param cpu: processor seconds by part, of all districts.
    :param transactions: of the metadata database and of the warehouse, of all districts.
    """

    name: str
    districts: int
    seconds: float
    cpu: dict[str, float]
    transactions: dict[str, int]

    @property
    def per_hour(self) -> float:
        return 3600 * self.districts / self.seconds

    @property
    def cpu_per_district(self) -> float:
        """Processor seconds of one district without the provider's."""
        return sum(seconds for part, seconds in self.cpu.items() if part != "sandbox") / self.districts


@dataclass(frozen=True)
class FleetResult:
    """The nights, and what bounds them.

    :param cores: cores of this machine.
    """

    nights: list[FleetNight]
    cores: int
    settings: dict[str, str]

    def bars(self) -> Iterator[Bar]:
        slowest = min(night.per_hour for night in self.nights[1:])
        words = f"{slowest:,.0f} districts an hour on delta nights, target: at least {MOST_PER_HOUR:,.0f}"
        yield Bar(words, slowest >= MOST_PER_HOUR)

    def plain(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)


def show(console: Console, result: FleetResult) -> None:
    """Print the nights as a table, processor seconds per district by part."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("processor seconds per district", no_wrap=True)
    for night in result.nights:
        table.add_column(night.name, justify="right", no_wrap=True)
    for part in PARTS:
        table.add_row(part, *(f"{night.cpu[part] / night.districts:.3f}" for night in result.nights))
    table.add_row("all but the sandbox", *(f"{night.cpu_per_district:.2f}" for night in result.nights))
    table.add_row("seconds of the night", *(f"{night.seconds:.0f}" for night in result.nights))
    table.add_row("districts per hour", *(f"{night.per_hour:,.0f}" for night in result.nights))
    for database in (_METADATA, _WAREHOUSE):
        name = "metadata" if database == _METADATA else "warehouse"
        counts = (f"{night.transactions[database] / night.districts:,.0f}" for night in result.nights)
        table.add_row(f"transactions per district, {name}", *counts)
    console.print(table)
    last = result.nights[-1]
    busy = sum(last.cpu.values()) / last.seconds
    largest = max(last.cpu, key=last.cpu.__getitem__)
    console.print(
        f"The last night kept {busy:.2f} of {result.cores} cores busy; the largest part is {largest} with "
        f"{last.cpu[largest] / sum(last.cpu.values()):.0%}."
    )


def measure(say: Callable[[str], None], districts: int, nights: int = NIGHTS) -> FleetResult:
    """Run the nights.

    :raises RollcallError: if Airflow does not start, or a run fails.
    """
    settings = AIRFLOW_SETTINGS | {"ROLLCALL_DAG_SHARDS": str(min(MOST_SHARDS, max(1, districts // 20)))}
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="rollcall-bench-")))
        names = [f"d{number:04}" for number in range(districts)]
        say(f"a sandbox of {districts} districts")
        served = stack.enter_context(_sandboxes(names))
        metadata, warehouse = stack.enter_context(temporary_postgres()), stack.enter_context(temporary_postgres())
        metadata.create_database(_METADATA, exist_ok=False)
        warehouse.create_database(_WAREHOUSE, exist_ok=False)
        engine = connect(sa.make_url(warehouse.url(_WAREHOUSE)))
        stack.callback(engine.dispose)
        upgrade(engine)
        fleet = _Fleet(
            names,
            served,
            metadata,
            warehouse,
            engine,
            stack.enter_context(_airflow(folder, names, served, metadata, warehouse, settings, say)),
            say,
        )
        measured = [fleet.night("first night", "full")]
        for number in range(nights):
            fleet.pass_night()
            measured.append(fleet.night(f"delta night {number + 1}", "auto"))
    return FleetResult(measured, os.cpu_count() or 1, settings)


@dataclass(frozen=True)
class _Served:
    """The hosts of the districts.

    :param pid: the process that serves them.
    :param connections: the Airflow connection of each district.
    """

    pid: int
    connections: dict[str, str]
    pipe: Connection


@dataclass(frozen=True)
class _Fleet:
    names: Sequence[str]
    served: _Served
    metadata: EmbeddedPostgres
    warehouse: EmbeddedPostgres
    engine: sa.Engine
    airflow: AirflowComponents
    say: Callable[[str], None]

    def pass_night(self) -> None:
        """Something changes in each district, and the databases do what they do in a day."""
        self.say("a night passes")
        self.served.pipe.send("night")
        self.served.pipe.recv()
        for server, database in ((self.metadata, _METADATA), (self.warehouse, _WAREHOUSE)):
            with psycopg.connect(host=str(server.folder), user="postgres", dbname=database, autocommit=True) as link:
                link.execute("VACUUM (ANALYZE)")
                link.execute("CHECKPOINT")

    def night(self, name: str, mode: str) -> FleetNight:
        """Create all runs while the DAGs are paused, start them at once, and wait for the last one."""
        self._pause(is_paused=True)
        self.say(f"{name}: creating {len(self.names)} runs")
        with ThreadPoolExecutor(2) as threads:
            list(threads.map(lambda one: self.airflow.api.trigger(f"roster_{one}", {"mode": mode}), self.names))
        time.sleep(2)
        self.say(name)
        before, counted = self._sample(), self._transactions()
        began = time.monotonic()
        self._pause(is_paused=False)
        self._wait()
        seconds = time.monotonic() - began
        cpu = {part: used - before[part] for part, used in self._sample().items()}
        transactions = {which: count - counted[which] for which, count in self._transactions().items()}
        self._check_published()
        return FleetNight(name, len(self.names), seconds, cpu, transactions)

    def _sample(self) -> dict[str, float]:
        roots = {
            "metadata database": self.metadata.pid,
            "warehouse": self.warehouse.pid,
            "sandbox": self.served.pid,
        }
        return sample({part: pid for part, pid in roots.items() if pid is not None})

    def _pause(self, *, is_paused: bool) -> None:
        with self._metadata() as link:
            link.execute("UPDATE dag SET is_paused = %s WHERE dag_id LIKE 'roster\\_d%%'", [is_paused])

    def _wait(self) -> None:
        deadline = time.monotonic() + _LIMIT * len(self.names)
        query = "SELECT state, count(*) FROM dag_run WHERE dag_id LIKE 'roster\\_d%' GROUP BY 1"
        with self._metadata() as link:
            while True:
                self.airflow.check()
                states = dict(link.execute(query).fetchall())
                if states.get("failed"):
                    raise RollcallError("run_failed", f"Runs of the fleet failed: {states}.")
                if not set(states) - {"success"}:
                    return
                if time.monotonic() > deadline:
                    raise RollcallError("run_too_long", f"The runs did not end: {states}.")
                time.sleep(0.5)

    def _check_published(self) -> None:
        """Each district's latest run is published."""
        latest = (
            sa.select(runs.c.district_id, runs.c.status)
            .distinct(runs.c.district_id)
            .order_by(runs.c.district_id, runs.c.started_at.desc())
            .subquery()
        )
        with self.engine.connect() as connection:
            published = sa.select(sa.func.count()).where(latest.c.status == "published")
            count = connection.execute(published).scalar_one()
        if count != len(self.names):
            raise RollcallError("run_failed", f"{count} of {len(self.names)} districts were published.")

    def _transactions(self) -> dict[str, int]:
        counts = {}
        for server, database in ((self.metadata, _METADATA), (self.warehouse, _WAREHOUSE)):
            with psycopg.connect(host=str(server.folder), user="postgres", dbname=database, autocommit=True) as link:
                row = link.execute(
                    "SELECT xact_commit + xact_rollback FROM pg_stat_database WHERE datname = %s", [database]
                ).fetchone()
                counts[database] = int(row[0]) if row else 0
        return counts

    def _metadata(self) -> psycopg.Connection[Any]:
        return psycopg.connect(host=str(self.metadata.folder), user="postgres", dbname=_METADATA, autocommit=True)


@contextmanager
def _airflow(
    folder: Path,
    names: Sequence[str],
    served: _Served,
    metadata: EmbeddedPostgres,
    warehouse: EmbeddedPostgres,
    settings: Mapping[str, str],
    say: Callable[[str], None],
) -> Iterator[AirflowComponents]:
    dags, districts = folder / "dags", folder / "districts"
    districts.mkdir()
    shutil.copytree(PROJECT / "dags" / "shards", dags / "shards")
    shutil.copy(PROJECT / "dags" / "roster_districts.py", dags)
    for name in names:
        describe(districts, name, page_size=5000, concurrency=5, peak_concurrency=5)
    env = {
        "AIRFLOW_CONN_WAREHOUSE": warehouse.airflow_connection(_WAREHOUSE),
        **{f"AIRFLOW_CONN_ONEROSTER_{name.upper()}": text for name, text in served.connections.items()},
        "ROLLCALL_DISTRICTS": str(districts),
        "ROLLCALL_LANDING": str(folder / "landing"),
        **settings,
    }
    with AirflowComponents(folder / "airflow", metadata.url(_METADATA), env=env, dags=dags, progress=say) as airflow:
        _wait_until_parsed(airflow, len(names), metadata)
        yield airflow


def _wait_until_parsed(airflow: AirflowComponents, count: int, metadata: EmbeddedPostgres) -> None:
    deadline = time.monotonic() + 300
    query = "SELECT count(*) FROM dag WHERE dag_id LIKE 'roster\\_d%'"
    with psycopg.connect(host=str(metadata.folder), user="postgres", dbname=_METADATA, autocommit=True) as link:
        while True:
            airflow.check()
            row = link.execute(query).fetchone()
            if row is not None and row[0] == count:
                return
            if time.monotonic() > deadline:
                raise RollcallError("dags_missing", f"Airflow parsed {row} of {count} districts.")
            time.sleep(0.5)


@contextmanager
def _sandboxes(names: Sequence[str]) -> Iterator[_Served]:
    here, there = multiprocessing.Pipe()
    serving = multiprocessing.get_context("spawn").Process(target=_serve, args=(list(names), there), daemon=True)
    serving.start()
    there.close()
    try:
        with here:
            try:
                connections = here.recv()
            except EOFError:
                raise RollcallError("provider_failed", "The sandbox ended. See its output above.") from None
            yield _Served(serving.pid or 0, connections, here)
    finally:
        serving.join(10)


def _serve(names: Sequence[str], pipe: Connection) -> None:
    """Serve the districts, 50 to a port, until the parent closes the pipe."""
    from rollcall_sandbox import Sandbox, SandboxDistrict

    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the benchmark handles Ctrl-C and closes the pipe
    districts = [
        SandboxDistrict(app=name, version="1.2", students=STUDENTS, seed=number, guardians=False, bustle=_BUSTLE)
        for number, name in enumerate(names)
    ]
    with ExitStack() as stack:
        connections = {}
        hosts = []
        for first in range(0, len(districts), _PER_HOST):
            group = districts[first : first + _PER_HOST]
            sandbox = stack.enter_context(Sandbox(group))
            hosts.append(sandbox)
            for district in group:
                connections[district.app] = json.dumps(
                    {
                        "conn_type": "oneroster",
                        "host": sandbox.base_url(district.app),
                        "login": district.client_id,
                        "password": district.client_secret,
                        "extra": {"auth_url": sandbox.token_url(district.app)},
                    }
                )
        pipe.send(connections)
        while True:
            try:
                pipe.recv()
            except EOFError:
                return
            for sandbox in hosts:
                for district in sandbox.districts:
                    sandbox.pass_night(district.app)
            pipe.send("done")
