"""No library's exception carries a child's name out of a stage, whatever fails and wherever (rule 8).

First with data and warehouses that make each library fail by itself; then every library's own failure, with the name in
its text, in every stage. Checked are the exception, everything Python would print of it, the log down to DEBUG, what
a task hands Airflow, what the ledger keeps, and PostgreSQL's own log.
"""

from __future__ import annotations

import logging
import pickle
import traceback
from collections.abc import Callable
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any, Literal

import great_expectations.expectations as gxe
import msgspec
import pandas as pd
import psycopg
import pyarrow as pa
import pytest
import sqlalchemy as sa

from rollcall.errors import InternalError, RollcallError
from rollcall.expectations.judge import Judge
from rollcall.expectations.rules import Rule
from rollcall.expectations.severities import Severities
from rollcall.landing.manifests import save, write_rows
from rollcall.landing.pull import LandedCollection, Pull, PullRef, landed_schema
from rollcall.model.tables import TABLES
from rollcall.pipeline import run as night
from rollcall.pipeline.stage_record import recorded_stage
from rollcall.settings import Usernames, UsernameSource
from rollcall_local.postgres import EmbeddedPostgres
from tests.conftest import PROVEN

NAME = "Planted-Okonkwo"

#: A warehouse with another table is of no use to the next test, and is not given to it.
_SPOILED = "CREATE TABLE roster_ops.spoiled ()"


class _Typed(msgspec.Struct):
    kind: Literal["student"]


def _psycopg(engine: sa.Engine) -> None:
    with engine.connect() as connection:
        connection.execute(sa.text("SELECT CAST(:name AS integer)"), {"name": NAME})


def _copy(engine: sa.Engine) -> None:
    with engine.connect() as connection:
        connection.exec_driver_sql("CREATE TEMP TABLE numbers (number integer)")
        driver = connection.connection.driver_connection
        assert isinstance(driver, psycopg.Connection)
        with driver.cursor() as cursor, cursor.copy("COPY numbers FROM STDIN") as copy:
            copy.write(f"{NAME}\n")


#: Each library, made to fail in its own way; that its text has the name is asserted too.
LIBRARIES: dict[str, Callable[[sa.Engine], Any]] = {
    "psycopg": _psycopg,
    "COPY": _copy,
    "pandas": lambda _: pd.to_datetime(pd.Series([NAME]), format="%Y-%m-%d"),
    "pyarrow": lambda _: pa.array([NAME]).cast(pa.int64()),
    "msgspec": lambda _: msgspec.convert({"kind": "student", NAME: 1} | {"kind": NAME}, _Typed),
    "UTF-8": lambda _: (NAME.encode() + b"\xff").decode(),
    "a key that is not there": lambda _: {}[NAME],
}


class Silence:
    """Looks for secrets in every text that a failure leaves behind."""

    def __init__(self, caplog: pytest.LogCaptureFixture, engine: sa.Engine, server: EmbeddedPostgres) -> None:
        self.caplog = caplog
        self.engine = engine
        self.server = server
        self.logged_before = server.log.stat().st_size

    def broken_by(self, error: BaseException) -> list[str]:
        texts = [str(error), repr(error), repr(error.args), "".join(traceback.format_exception(error))]
        texts += [self.caplog.text, repr(pickle.loads(pickle.dumps(error)))]  # noqa: S301 - what we pickled ourselves
        with self.engine.connect() as connection:
            texts += [repr(row) for row in connection.execute(sa.text("SELECT * FROM roster_ops.runs"))]
        texts.append(self.server.log.read_bytes()[self.logged_before :].decode())
        return [text for text in texts if NAME in text]


@pytest.fixture
def silence(caplog: pytest.LogCaptureFixture, engine: sa.Engine, postgres: EmbeddedPostgres) -> Silence:
    caplog.set_level(logging.DEBUG)
    for name in ("rollcall", "sqlalchemy.engine", "great_expectations"):
        caplog.set_level(logging.DEBUG if name != "great_expectations" else logging.CRITICAL + 1, logger=name)
    return Silence(caplog, engine, postgres)


def _fails(nights: Any, silence: Silence, ref: PullRef, stage: str, run: Callable[[], Any]) -> RollcallError:
    """Run a stage as a task does, with the ledger around it."""
    with pytest.raises(RollcallError) as caught, recorded_stage(nights.engine, "elm", ref.run_id, stage):
        run()
    assert silence.broken_by(caught.value) == []
    assert nights.scalar(f"SELECT error_code FROM roster_ops.runs WHERE run_id = '{ref.run_id}'") == caught.value.code
    return caught.value


def _map(nights: Any, ref: PullRef) -> Callable[[], Any]:
    return lambda: night.map_night(nights.engine, nights.district, ref, nights.landing)


def _publish(nights: Any, ref: PullRef) -> Callable[[], Any]:
    return lambda: night.publish_night(nights.engine, nights.district, ref, nights.landing)


class TestByItself:
    """Failures nobody acted: the data or the warehouse is such."""

    @pytest.mark.parametrize(
        ("spoiled", "state"),
        [
            (f"ALTER TABLE roster_staging.users ADD CHECK (family_name <> '{NAME}')", "CheckViolation 23514"),
            ("CREATE UNIQUE INDEX one_family ON roster_staging.users (family_name)", "UniqueViolation 23505"),
            ("ALTER TABLE roster_history.users ADD CHECK (email IS NULL)", "CheckViolation 23514"),
            ("ALTER TABLE roster_ops.rejects ALTER sourced_id TYPE integer USING 1", "InvalidTextRepresentation 22P02"),
        ],
    )
    def test_publish_meets_a_constraint(
        self, nights: Any, roster: Any, silence: Silence, spoiled: str, state: str
    ) -> None:
        ref = nights.prepare(roster("ada", "ben"), rejected={"users": [NAME]})
        _map(nights, ref)()
        with nights.engine.begin() as connection:
            connection.exec_driver_sql(f"{spoiled}; {_SPOILED}")
        error = _fails(nights, silence, ref, "publish", _publish(nights, ref))
        assert state in error.message
        assert nights.live("users", "sourced_id") == []

    def test_merge_reads_what_is_no_number(self, nights: Any, roster: Any, silence: Silence) -> None:
        nights.publish(roster("ada"))
        with nights.engine.begin() as connection:
            connection.exec_driver_sql(
                f"ALTER TABLE roster_staging.users ALTER _digest TYPE text USING family_name; {_SPOILED}"
            )
        ref = nights.prepare(roster("ada"))
        error = _fails(nights, silence, ref, "map_roster", _map(nights, ref))
        assert "ArrowInvalid" in error.message

    def test_mapping_meets_ids_that_are_no_json(self, nights: Any, roster: Any, silence: Silence) -> None:
        source = [UsernameSource(field="userIds.LDAP", transform=["trim"])]
        nights.settings(usernames=Usernames(student=source, staff=source))
        rows = roster("ada")
        rows["users"][0]["user_ids"] = f"[{NAME}]"
        ref = nights.prepare(rows)
        error = _fails(nights, silence, ref, "map_roster", _map(nights, ref))
        assert isinstance(error, InternalError)

    def test_great_expectations_fails_over_a_column(self, silence: Silence) -> None:
        regex = gxe.ExpectColumnValuesToMatchRegex(column="name", regex=f"({NAME}")
        rows = pa.table({"name": [NAME]})
        with pytest.raises(RollcallError) as caught:
            Judge(Severities({})).broken("users", rows, [Rule("broken", "critical", "name", "", regex)])
        assert caught.value.code == "rule_not_judged"
        assert silence.broken_by(caught.value) == []


def _failing(engine: sa.Engine, library: str) -> Callable[..., Any]:
    """The library's own failure, in place of whatever is called."""

    def fail(*_: Any, **__: Any) -> Any:
        try:
            LIBRARIES[library](engine)
        except Exception as error:
            held = [str(error), repr(error), repr(getattr(error, "object", b""))]
            assert any(NAME in text for text in held), "a failure that quotes nothing shows nothing"
            raise
        raise AssertionError(library)

    return fail


class TestEveryLibraryInEveryStage:
    @pytest.fixture
    def each(self, nights: Any, silence: Silence, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
        """Fails once by every library at a place of the code, each time reported by its stage only."""

        def run(stage: str, place: str, ref: PullRef, work: Callable[[], Any]) -> None:
            for library in LIBRARIES:
                with monkeypatch.context() as patch:
                    patch.setattr(place, _failing(nights.engine, library))
                    assert _fails(nights, silence, ref, stage, work).code == f"{stage}_failed"

        return run

    def test_extract(self, nights: Any, silence: Silence) -> None:
        ref = nights.prepare({"orgs": []})
        usage = SimpleNamespace(
            requests=0, requests_in_peak=0, token_requests=0, bytes_received=0, most_at_once=0, seconds_waited=0.0
        )
        for library in LIBRARIES:
            client: Any = SimpleNamespace(
                version="1.2",
                base_url="http://127.0.0.1/",
                connection=SimpleNamespace(base_url="http://127.0.0.1/"),
                usage=usage,
                requests_in_flight=0,
                budget=None,
                pages=_failing(nights.engine, library),
                close=lambda: None,
            )

            def pull(client: Any = client) -> Any:
                return night.extract_night(client, nights.district, nights.landing, run_id=ref.run_id)

            assert _fails(nights, silence, ref, "extract", pull).code == "extract_failed"

    def test_validate(self, landed: PullRef, nights: Any, each: Any) -> None:
        place = "rollcall.validate.collection.to_types"
        each("validate", place, landed, lambda: night.validate_night(nights.district, landed, nights.landing))

    @pytest.mark.parametrize(
        "place",
        ["changes.proposal.find_arrivals", "pipeline.change_set.map_accounts", "pipeline.change_set.judge"],
    )
    def test_changes_mapping_and_guard(self, nights: Any, roster: Any, each: Any, place: str) -> None:
        ref = nights.prepare(roster("ada"))
        each("map_roster", f"rollcall.{place}", ref, _map(nights, ref))

    def test_publish(self, nights: Any, roster: Any, each: Any) -> None:
        ref = nights.prepare(roster("ada"))
        _map(nights, ref)()
        each("publish", "rollcall.pipeline.run.publish", ref, _publish(nights, ref))

    def test_report(self, nights: Any, roster: Any, silence: Silence) -> None:
        ref = nights.prepare(roster("ada"))
        for library in LIBRARIES:
            work = _failing(nights.engine, library)
            assert _fails(nights, silence, ref, "report", work).code == "report_failed"


@pytest.fixture
def landed(nights: Any) -> PullRef:
    """A pull of one child, landed and not judged yet."""
    began: PullRef = nights.prepare({"orgs": []})
    ref = PullRef(district="elm", pull_id="landed", run_id=began.run_id)
    folder = ref.folder(nights.landing)
    rows = pa.Table.from_pylist([{"sourced_id": "ada", "family_name": NAME}], landed_schema(TABLES["users"]))
    parts = {"users": write_rows(folder, "extract", "users", rows)}
    pull = Pull(
        district="elm",
        pull_id=ref.pull_id,
        run_id=ref.run_id,
        as_of=datetime(2026, 11, 2, tzinfo=UTC),
        mode="full",
        version="1.2",
        base_url="http://127.0.0.1/",
        collections=[LandedCollection(collection="users", parts=parts, proof=PROVEN)],
    )
    save(folder, pull)
    return ref
