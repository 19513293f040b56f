"""Starts Airflow with CeleryExecutor, Redis, two workers, and a bucket, once for all tests here."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import sqlalchemy as sa
from click.testing import CliRunner

from rollcall.cli.main import rollcall
from rollcall.warehouse import migrate
from rollcall.warehouse.session import connect, warehouse_from_environment
from rollcall_local.airflow import AirflowComponents
from rollcall_local.postgres import EmbeddedPostgres
from rollcall_local.processes import Programs
from rollcall_local.sessions import session_members
from rollcall_sandbox import Sandbox, SandboxDistrict

if TYPE_CHECKING:
    from tests.machines.bucket import Bucket
    from tests.machines.cluster import Cluster

#: A district for each stage in which a worker dies.
DISTRICTS = tuple(
    SandboxDistrict(app=app, version="1.2", students=60, seed=seed, bustle=5, guardians=False)
    for seed, app in enumerate(("oak", "elm", "ash", "fir"), 1)
)


def _district_files(folder: Path) -> Path:
    folder.mkdir()
    for district in DISTRICTS:
        text = f'district: {district.app}\nname: {district.name}\nversion: "1.2"\nusernames: email\n'
        (folder / f"{district.app}.yaml").write_text(f"{text}starts_on: 2026-11-21\n")
    return folder


def connections(sandbox: Sandbox) -> list[dict[str, str]]:
    """The districts' connections in the words of Airflow's API."""
    return [
        {
            "connection_id": f"oneroster_{district.app}",
            "conn_type": "oneroster",
            "host": sandbox.base_url(district.app),
            "login": district.client_id,
            "password": district.client_secret,
            "extra": json.dumps({"auth_url": sandbox.token_url(district.app)}),
        }
        for district in DISTRICTS
    ]


def _copy(postgres: EmbeddedPostgres, database: str, name: str) -> None:
    admin = sa.create_engine(postgres.url("postgres"), isolation_level="AUTOCOMMIT")
    with admin.connect() as connection:
        # a command leaves its sessions to the end of its process
        connection.exec_driver_sql(
            f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{database}'"
        )
        connection.exec_driver_sql(f"CREATE DATABASE {name} TEMPLATE {database}")
    admin.dispose()


def _port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
        return port


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(DISTRICTS) as running:
        yield running


@pytest.fixture(scope="module")
def district_files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return _district_files(tmp_path_factory.mktemp("machines") / "districts")


@pytest.fixture(scope="module")
def bucket() -> Iterator[Bucket]:
    for package in ("airflow.providers.celery", "moto", "s3fs"):
        pytest.importorskip(package, reason=f"{package} is not installed: .ci/requirements.txt")
    from tests.machines.bucket import Bucket

    with Bucket() as running:
        running.create()
        yield running


@pytest.fixture(scope="module")
def warehouse(postgres: EmbeddedPostgres) -> Iterator[sa.Engine]:
    """The one that workers publish into."""
    postgres.create_database("machines")
    engine = connect(warehouse_from_environment(postgres.url("machines")))
    migrate.upgrade(engine)
    yield engine
    engine.dispose()


@pytest.fixture(scope="module")
def undisturbed(
    postgres: EmbeddedPostgres,
    warehouse: sa.Engine,
    bucket: Bucket,
    sandbox: Sandbox,
    district_files: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[sa.Engine]:
    """A warehouse after two nights of each district without Airflow. Workers have the second one still to do."""
    with pytest.MonkeyPatch.context() as environment:
        for made in connections(sandbox):
            fields = {key: value for key, value in made.items() if key != "connection_id"}
            fields["extra"] = json.loads(fields["extra"])
            environment.setenv(f"AIRFLOW_CONN_{made['connection_id'].upper()}", json.dumps(fields))
        for name, value in bucket.environment.items():
            environment.setenv(name, value)
        environment.setenv("ROLLCALL_DISTRICTS", str(district_files))

        def night(engine: sa.Engine, landing: str) -> None:
            environment.setenv("ROLLCALL_LANDING", landing)
            url = engine.url.render_as_string(hide_password=False)
            for district in DISTRICTS:
                done = CliRunner().invoke(rollcall, ["sync", district.app, "--warehouse", url])
                assert done.exit_code in (0, 3), done.output

        night(warehouse, f"s3://{bucket.landing}")
        warehouse.dispose()
        _copy(postgres, "machines", "undisturbed")
        engine = connect(warehouse_from_environment(postgres.url("undisturbed")))
        for district in DISTRICTS:
            sandbox.pass_night(district.app)
        sandbox.set_quirks("fir", ["school-scope"])
        night(engine, str(tmp_path_factory.mktemp("landing")))
    yield engine
    engine.dispose()


@pytest.fixture(scope="module")
def cluster(
    postgres: EmbeddedPostgres,
    warehouse: sa.Engine,
    bucket: Bucket,
    sandbox: Sandbox,
    undisturbed: sa.Engine,
    district_files: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Cluster]:
    """Airflow's scheduler, DAG processor, API server and triggerer are running; the two workers are not yet."""
    from tests.machines.cluster import CONCURRENCY, HEARTBEAT_LIMIT, REDIS, Cluster, Worker, copy_of_dags

    if REDIS is None:
        pytest.skip("redis-server is not installed")
    folder = tmp_path_factory.mktemp("cluster")
    dags = copy_of_dags(folder / "dags")
    postgres.create_database("machines_airflow")
    redis = _port()
    with ExitStack() as started:
        programs = Programs(folder / "machines", "the test's workers")
        programs.open()
        started.callback(programs.stop)
        command = [REDIS, "--bind", "127.0.0.1", "--port", str(redis), "--save", "", "--dir", str(folder)]
        programs.start("redis", command, env={}, phase=1)
        settings = {
            "CORE__EXECUTOR": "CeleryExecutor",
            "CORE__PARALLELISM": str(4 * CONCURRENCY),
            "CELERY__BROKER_URL": f"redis://127.0.0.1:{redis}/0",
            "CELERY__RESULT_BACKEND": f"db+{postgres.url('machines_airflow')}",
            "SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT": str(HEARTBEAT_LIMIT),
            "SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT_DETECTION_INTERVAL": "1",
            "WORKERS__MIN_HEARTBEAT_INTERVAL": "1",
        }
        shared = {
            **{f"AIRFLOW__{name}": value for name, value in settings.items()},
            **bucket.environment,
            "AIRFLOW_CONN_WAREHOUSE": postgres.airflow_connection("machines"),
            "ROLLCALL_LANDING": f"s3://{bucket.landing}",
        }
        airflow = AirflowComponents(
            folder / "airflow",
            postgres.url("machines_airflow"),
            env=shared | {"ROLLCALL_DISTRICTS": str(district_files)},
            dags=dags,
            prepare=lambda api: api.overwrite("connections", connections(sandbox)),
        )
        workers = tuple(Worker(name, folder / name, dags, district_files) for name in ("worker-1", "worker-2"))
        started.enter_context(airflow)
        running = Cluster(airflow, shared, workers, programs, warehouse, bucket, sandbox)
        yield running
        leaders = running.leaders()
    assert [session_members(leader) for leader in leaders] == [[]] * len(leaders)
