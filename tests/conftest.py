"""A real PostgreSQL for every test that wants one, and nights made of rows written by hand."""

from __future__ import annotations

import functools
import gc
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Collection, Iterator
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, Phase, settings
from xdist.scheduler import LoadFileScheduling

from rollcall.extract.pull import ALWAYS_FULL
from rollcall.landing import manifests
from rollcall.landing.change_set import Published
from rollcall.landing.manifests import write_rows
from rollcall.landing.pull import LandedCollection, Proof, Pull, PullRef, Usage
from rollcall.landing.rejects import REJECT_SCHEMA
from rollcall.landing.validated import Validated, ValidatedCollection, accepted_schema
from rollcall.landing.zone import Landing
from rollcall.model.tables import COLLECTIONS, TABLES, tables_of
from rollcall.pipeline import run
from rollcall.settings import District, Schedule
from rollcall.warehouse import ledger
from rollcall.warehouse.models import staging
from rollcall_local import screen as demo_screen
from rollcall_local.airflow import AirflowComponents
from rollcall_local.postgres import EmbeddedPostgres, temporary_postgres
from rollcall_local.sessions import session_members
from rollcall_local.stack import Stack
from tests.warehouses import Warehouses

ROOT = Path(__file__).resolve().parents[1]

#: The districts of `include/districts`, which the stack syncs.
DISTRICTS = ("maple", "cedar")

# a shell that sourced .rollcall/env names a running warehouse and a running Airflow, which are not the tests'
for _name in set(os.environ):
    if _name.startswith(("AIRFLOW_CONN_", "AIRFLOW__", "ROLLCALL_AIRFLOW_")) or _name == "ROLLCALL_LANDING":
        del os.environ[_name]

# before anything imports Airflow: a home of the tests' own, this checkout's DAGs and plugins
os.environ["AIRFLOW_HOME"] = tempfile.mkdtemp(prefix="rollcall-tests-")
os.environ["AIRFLOW__CORE__DAGS_FOLDER"] = str(ROOT / "dags")
os.environ["AIRFLOW__CORE__PLUGINS_FOLDER"] = str(ROOT / "plugins")
os.environ["AIRFLOW__CORE__LOAD_EXAMPLES"] = "False"
os.environ["AIRFLOW__LOGGING__LOGGING_LEVEL"] = "WARNING"

#: How many examples each property test draws, from a new seed each time. Not set (`make test`): the number the test
#: names, the same ones each time.
_EXAMPLES = int(os.environ.get("ROLLCALL_EXAMPLES") or 0)

settings.register_profile(
    "rollcall",
    derandomize=not _EXAMPLES,
    deadline=None,
    database=None,
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
settings.load_profile("rollcall")


def examples(count: int, **more: Any) -> settings:
    """Settings of a property test that draws `count` examples in `make test`."""
    return settings(max_examples=_EXAMPLES or count, **more)


def sequences(count: int, *, steps: int = 50) -> settings:
    """Settings of a property test whose examples are long runs against a warehouse.

    In `make test` a failing example is not made smaller, because that takes minutes.
    """
    phases = [Phase.generate, Phase.shrink] if _EXAMPLES else [Phase.generate]
    return examples(count, stateful_step_count=steps, phases=phases, suppress_health_check=list(HealthCheck))


PROVEN = Proof(kind="total", expected=None, received=0, unique=0, pages=1, rows_per_page=0)
UNPROVEN = Proof(kind="unproven", expected=9, received=5, unique=5, pages=1, rows_per_page=5, reason="5 of 9 came.")


#: Rooms whose tests start servers or programs of their own, without the fixtures below.
_WITH_SERVERS = {
    "bench",
    "dags",
    "dbt",
    "flow",
    "machines",
    "oneroster_provider",
    "providers",
    "rollcall_local",
    "rollcall_sandbox",
    "soak",
    "web",
    "whole",
}
_SERVERS = {"postgres", "airflow_database", "sandbox"}


class FilesOrAirflow(LoadFileScheduling):
    """Keeps a file's tests on one worker, and all tests marked `scheduler`, which share one Airflow.

    xdist's own groups (`--dist loadgroup`) do nothing with pytest 9.2: the group is lost from the test's ID.
    """

    def _split_scope(self, nodeid: str) -> str:
        file: str = super()._split_scope(nodeid)
        return "airflow" if _needs_airflow(file) else file


@functools.cache
def _needs_airflow(file: str) -> bool:
    return "pytest.mark.scheduler" in (ROOT / file).read_text(encoding="utf-8")


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> LoadFileScheduling | None:
    return FilesOrAirflow(config, log) if config.getvalue("dist") == "loadfile" else None


@pytest.hookimpl(tryfirst=True)  # before tests are selected by marker
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark unit tests. What takes longest comes first, so that neither of two workers waits for it at the end."""
    for item in items:
        path = item.path.relative_to(ROOT / "tests")
        room = path.parts[0]
        if room not in _WITH_SERVERS and not _SERVERS & set(getattr(item, "fixturenames", ())):
            item.add_marker(pytest.mark.unit)
    long = [ROOT / "tests" / name for name in ("flow", "soak", "whole")]
    items.sort(key=lambda item: (item.get_closest_marker("scheduler") is None, item.path.parent not in long))


@pytest.fixture(scope="session")
def airflow_database() -> Iterator[None]:
    """Airflow's metadata, in SQLite: enough for parsing and for `dag.test()`."""
    from airflow.utils.db import initdb

    initdb()
    yield
    shutil.rmtree(os.environ["AIRFLOW_HOME"], ignore_errors=True)


def pytest_collection_finish() -> None:
    """Let garbage collection skip the libraries and the collected tests: a twentieth of the tests' time."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)


#: A DAG whose log lists the libraries that its task found loaded.
_WARM = """
import sys

from airflow.sdk import dag, task


@dag(schedule=None, is_paused_upon_creation=False)
def warm():
    @task
    def loaded_before_the_fork():
        return sorted({"pandas", "great_expectations", "psycopg"} & set(sys.modules))

    loaded_before_the_fork()


warm()
"""


_stacks: list[ExitStack] = []


@pytest.hookimpl(trylast=True)  # after the fixtures that use it
def pytest_runtest_teardown(item: pytest.Item, nextitem: pytest.Item | None) -> None:
    """Stop the stack after its last test: an idle Airflow goes on using the processor."""
    if item.get_closest_marker("scheduler") and not (nextitem and nextitem.get_closest_marker("scheduler")):
        for started in _stacks:
            started.close()


@pytest.fixture(scope="session")
def watched(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file into which all processes of the stack's Airflow write where they connect to."""
    return tmp_path_factory.mktemp("watched") / "connections"


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory, watched: Path) -> Iterator[Stack]:
    """Everything that `make up` starts, after two nights of both districts. Nothing of it is left afterwards.

    All tests marked `scheduler` share it, because starting Airflow's components takes 20 processor seconds.
    """
    screen = demo_screen.Screen()
    dags = tmp_path_factory.mktemp("airflow") / "dags"
    shutil.copytree(ROOT / "dags", dags, ignore=shutil.ignore_patterns("__pycache__"))
    (dags / "warm.py").write_text(_WARM)
    with ExitStack() as started:
        _stacks.append(started)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("rollcall_local.stack.AirflowComponents", functools.partial(_watched_airflow, watched))
            running = started.enter_context(Stack("test", fresh=True, say=screen.say, dags=dags))
        leaders = component_leaders(running.airflow.home)
        nights = demo_screen.Nights(running.airflow.api, DISTRICTS, screen, running.check)
        nights.wait_until_parsed()
        nights.first()
        for district in DISTRICTS:
            running.pass_night(district)
        nights.next(2, {"mode": "full"})
        yield running
    assert len(leaders) == 4
    assert [session_members(leader) for leader in leaders.values()] == [[], [], [], []]


def _watched_airflow(watched: Path, *arguments: Any, env: dict[str, str], **more: Any) -> AirflowComponents:
    """Airflow with `tests/flow/watched/sitecustomize.py`."""
    path = os.pathsep.join(map(str, (ROOT / "tests" / "flow" / "watched", ROOT, ROOT / "config")))
    env = {**env, "PYTHONPATH": path, "ROLLCALL_WATCHED": str(watched)}
    return AirflowComponents(*arguments, env=env, **more)


def component_leaders(home: Path) -> dict[str, int]:
    """Process IDs of a running Airflow's components by name."""
    return {entry["name"]: entry["pid"] for entry in json.loads((home / "processes.json").read_text())}


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """Chromium. One per module: while Playwright runs, its thread has an event loop, which other tests start too."""
    from tests.browser import chromium

    with chromium() as opened:
        yield opened


@pytest.fixture(scope="session")
def postgres() -> Iterator[EmbeddedPostgres]:
    """One server for the whole session."""
    with temporary_postgres() as server:
        yield server


@pytest.fixture(scope="session")
def warehouses(postgres: EmbeddedPostgres) -> Iterator[Warehouses]:
    made = Warehouses(postgres)
    yield made
    made.close()


@pytest.fixture
def engine(warehouses: Warehouses) -> Iterator[sa.Engine]:
    """A migrated warehouse of the test's own, with nothing in it."""
    made = warehouses.take()
    yield made
    warehouses.give_back(made)


@pytest.fixture
def landing(tmp_path: Path) -> Landing:
    return Landing(str(tmp_path / "landing"))


class Nights:
    """A district whose nights are written by hand: rows per table in, what was published out."""

    def __init__(self, engine: sa.Engine, landing: Landing) -> None:
        self.engine = engine
        self.landing = landing
        self.district = District(
            district="elm", name="Elm", version="1.2", usernames="email", schedule=Schedule(timezone="UTC")
        )
        self.began = datetime(2026, 11, 1, 8, tzinfo=UTC)
        self.count = 0

    def settings(self, **changed: Any) -> None:
        """Describe the district otherwise from now on."""
        plain = {name: getattr(self.district, name) for name in District.__struct_fields__}
        self.district = District(**{**plain, **changed})

    def prepare(
        self,
        rows: dict[str, list[dict[str, Any]]],
        *,
        unproven: Collection[str] = (),
        delta: bool = False,
        rejected: dict[str, list[str]] | None = None,
        run_id: str | None = None,
        as_of: datetime | None = None,
        since: datetime | None = None,
    ) -> PullRef:
        """Leave what validate would: a pull of the collections whose own table `rows` names.

        :param delta: only what was modified; orgs and academic sessions are in full as always.
        :param unproven: collections without a proof; where it maps them, each with why it is none.
        :param since: from when on a delta asked; long ago where nothing is said.
        :param rejected: sourcedIds refused, per collection.
        """
        self.count += 1
        ref = PullRef(district="elm", pull_id=f"pull{self.count}", run_id=run_id or f"run{self.count}")
        folder = ref.folder(self.landing)
        names = [name for name in COLLECTIONS if name in rows]
        refused = rejected or {}
        partial = set(names) - set(ALWAYS_FULL) if delta else set()
        collections = []
        for name in names:
            parts = {
                table.name: write_rows(folder, "validate", table.name, _arrow(table.name, rows))
                for table in tables_of(name)
            }
            own = rows[name]
            collections.append(
                ValidatedCollection(
                    collection=name,
                    parts=parts,
                    received=len(own) + len(refused.get(name, [])),
                    accepted=len(own),
                    tombstones=sum(row.get("status") == "tobedeleted" for row in own),
                    rejected=len(refused.get(name, [])),
                    proves_absence=name not in unproven and name not in partial,
                )
            )
        reject_rows = [
            {"collection": name, "sourced_id": key, "rule": "test", "reason": "Test.", "field": None, "record": None}
            for name, keys in refused.items()
            for key in keys
        ]
        rejects = write_rows(folder, "validate", "rejects", pa.Table.from_pylist(reject_rows, schema=REJECT_SCHEMA))
        pull = Pull(
            district="elm",
            pull_id=ref.pull_id,
            run_id=ref.run_id,
            as_of=as_of or self.began + timedelta(days=self.count),
            mode="delta" if delta else "full",
            version="1.2",
            base_url="http://127.0.0.1/",
            collections=[
                LandedCollection(
                    collection=name,
                    parts={},
                    proof=(unproven[name] if isinstance(unproven, dict) else UNPROVEN) if name in unproven else PROVEN,
                    since=(since or self.began) if name in partial else None,
                )
                for name in names
            ],
            usage=Usage(requests=9, requests_in_peak=2, bytes_received=1000, most_at_once=3, seconds_waited=0.5),
        )
        manifests.save(folder, pull)
        manifests.save(folder, Validated(collections=collections, rejects=rejects, findings=[]))
        with self.engine.begin() as connection:
            ledger.start_run(connection, "elm", ref.run_id, pull.as_of.date())
        return ref

    def publish(self, rows: dict[str, list[dict[str, Any]]], **how: Any) -> Published:
        """A whole night from these rows to the warehouse."""
        ref = self.prepare(rows, **how)
        run.map_night(self.engine, self.district, ref, self.landing)
        return run.publish_night(self.engine, self.district, ref, self.landing)

    def live(self, table: str, *columns: str) -> list[Any]:
        """A table's live rows; plain values where one column is asked for."""
        return self.rows(table, *columns, where=staging[table].c._removed_at.is_(None))

    def rows(self, table: str, *columns: str, where: Any = True) -> list[Any]:
        source = staging[table]
        wanted = [source.c[name] for name in (columns or TABLES[table].names)]
        query = sa.select(*wanted).where(source.c.district_id == "elm", where).order_by(*wanted[:1])
        with self.engine.connect() as connection:
            found = [tuple(row) for row in connection.execute(query)]
        return [row[0] for row in found] if len(columns) == 1 else found

    def scalar(self, query: str) -> Any:
        with self.engine.connect() as connection:
            return connection.execute(sa.text(query)).scalar()


def _arrow(name: str, rows: dict[str, list[dict[str, Any]]]) -> pa.Table:
    table = TABLES[name]
    defaults = {"status": "active"} if "status" in table.names else {}
    return pa.Table.from_pylist([{**defaults, **row} for row in rows.get(name, [])], schema=accepted_schema(table))


@pytest.fixture
def nights(engine: sa.Engine, landing: Landing) -> Nights:
    return Nights(engine, landing)


def small_roster(*students: str, teacher: bool = False) -> dict[str, list[dict[str, Any]]]:
    """A small roster: one school, one class, the students named."""
    people = [(name, "student") for name in students] + ([("teacher", "teacher")] if teacher else [])
    return {
        "orgs": [{"sourced_id": "school", "name": "Elm School", "type": "school"}],
        "academic_sessions": [{"sourced_id": "year", "title": "2026-2027", "type": "schoolYear"}],
        "courses": [{"sourced_id": "maths", "title": "Mathematics"}],
        "classes": [
            {
                "sourced_id": "maths-1",
                "title": "Maths 1",
                "school_sourced_id": "school",
                "course_sourced_id": "maths",
            }
        ],
        "class_terms": [{"class_sourced_id": "maths-1", "term_sourced_id": "year"}],
        "users": [
            {
                "sourced_id": name,
                "given_name": name.title(),
                "family_name": "Planted-Okonkwo",
                "email": f"{name}@elm.example",
                "identifier": f"id-{name}",
                "primary_org_sourced_id": "school",
            }
            for name, _ in people
        ],
        "user_roles": [
            {
                "user_sourced_id": name,
                "role_key": f"{role}|school|",
                "org_sourced_id": "school",
                "role": role,
                "role_type": "primary",
            }
            for name, role in people
        ],
        "enrollments": [
            {
                "sourced_id": f"e-{name}",
                "user_sourced_id": name,
                "class_sourced_id": "maths-1",
                "school_sourced_id": "school",
                "role": role,
            }
            for name, role in people
        ],
    }


@pytest.fixture
def roster() -> Callable[..., dict[str, list[dict[str, Any]]]]:
    """Makes a small roster."""
    return small_roster
