"""The note of a run, written by the scheduler's own code when the run ends."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

PUBLISHED = {
    "status": "published",
    "accounts": 2104,
    "left_out": 31,
    "counts": {"users": {"added": 5, "changed": 0, "removed": 1}, "accounts": {"added": 7, "held": 2}},
}
TEXT = "Published: 2,104 accounts, 31 people left out. Rows: 12 added, 1 removed, 2 held."


@pytest.fixture
def ended(airflow_database):
    """Ends a run of `roster_maple` whose `publish` returned a value, as the scheduler does, and returns its note."""
    from airflow.api.common.delete_dag import delete_dag
    from airflow.dag_processing.dagbag import DagBag, sync_bag_to_db
    from airflow.models.dagbag import DBDagBag
    from airflow.models.dagbundle import DagBundleModel
    from airflow.models.dagrun import DagRun
    from airflow.models.xcom import XComModel
    from airflow.utils.session import create_session
    from airflow.utils.sqlalchemy import prohibit_commit
    from airflow.utils.types import DagRunTriggeredByType, DagRunType

    from tests.conftest import ROOT

    with create_session() as session:
        session.merge(DagBundleModel(name="dags-folder"))
    sync_bag_to_db(DagBag(str(ROOT / "dags" / "roster_districts.py"), bundle_name="dags-folder"), "dags-folder", None)

    def end(run_id: str, value: object, note: str | None = None) -> str | None:
        with create_session() as session:
            dag = DBDagBag().get_latest_version_of_dag("roster_maple", session=session)
            run = dag.create_dagrun(
                run_id=run_id,
                run_after=datetime.now(UTC),
                run_type=DagRunType.MANUAL,
                triggered_by=DagRunTriggeredByType.TEST,
                state="running",
                session=session,
                note=note,
            )
            run.dag = dag
            for task in run.get_task_instances(session=session):
                task.state = "success"
            XComModel.set(
                "return_value", value, dag_id="roster_maple", task_id="publish", run_id=run_id, session=session
            )
            session.flush()
            with prohibit_commit(session) as guard:
                run.update_state(session=session, execute_callbacks=False)
                guard.commit()
            assert run.state == "success"
        with create_session() as session:
            note = session.query(DagRun).filter(DagRun.run_id == run_id).one().note
            return note

    yield end
    for district in ("maple", "cedar"):
        delete_dag(f"roster_{district}")


def test_a_run_has_its_counts_as_a_note(ended):
    assert ended("one", PUBLISHED) == TEXT


def test_the_note_of_a_person_stays(ended):
    assert ended("two", PUBLISHED, note="Started on the page Rosters by vera") == (
        f"Started on the page Rosters by vera\n{TEXT}"
    )


@pytest.mark.parametrize("value", [{"anything": 1}, {"status": "published"}, None])
def test_a_run_ends_without_a_note_if_there_are_no_counts(ended, value):
    assert ended("three", value) is None
