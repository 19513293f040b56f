"""The DAG that waits for decisions: what it must have, and that nothing waits behind it."""

from __future__ import annotations


def test_governance(parse):
    dag = parse().dags["roster_holds"]
    assert [task.task_id for task in dag.topological_sort()] == ["decision", "apply", "publish"]
    assert (dag.catchup, dag.is_paused_upon_creation, dag.schedule) == (False, False, None)
    assert dag.tags == {"rollcall-service", "holds"}
    assert dag.doc_md
    for task in dag.tasks:
        assert (task.owner, task.retries) == ("data-engineering", 2)
        assert task.retry_policy is not None
        assert task.doc_md


def test_a_run_may_wait_for_weeks_and_no_other_waits_behind_it(parse):
    dag = parse().dags["roster_holds"]
    assert dag.dagrun_timeout is None
    assert dag.max_active_runs >= 1000
    decision = dag.get_task("decision")
    # the time a person takes is not the task's own
    assert decision.execution_timeout is None
    assert all(dag.get_task(name).execution_timeout for name in ("apply", "publish"))


def test_a_person_can_approve_or_reject_and_say_why_and_silence_decides_nothing(parse):
    decision = parse().dags["roster_holds"].get_task("decision")
    assert (decision.options, decision.multiple, decision.defaults) == (["Approve", "Reject"], False, None)
    assert decision.params.dump() == {"reason": ""}


def test_what_is_approved_is_published_by_the_districts_own_dag(parse):
    publish = parse().dags["roster_holds"].get_task("publish")
    assert publish.trigger_dag_id == "roster_{{ ti.xcom_pull(task_ids='apply')['district'] }}"
    assert publish.wait_for_completion is False


def test_the_districts_dags_wait_for_nobody(parse):
    from airflow.providers.standard.operators.hitl import HITLOperator

    districts = [dag for name, dag in parse().dags.items() if name in ("roster_cedar", "roster_maple")]
    assert len(districts) == 2
    assert not [task for dag in districts for task in dag.tasks if isinstance(task, HITLOperator)]
