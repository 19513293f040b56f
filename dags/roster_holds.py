"""Decisions that wait for a person: one run per hold, whose waiting task shows under Airflow's required actions.

A district's own DAG never waits for anybody: its `report` starts a run here for each question and ends. Whoever decides
by the command line instead, or whatever brings the people back, ends the waiting task too: it looks every few minutes
whether it is still asked for.
"""

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from airflow.sdk import DAG, Connection, ExceptionRetryPolicy, Param, RetryAction, RetryRule, task

DOCS = """
What the guard holds waits here for **Approve** or **Reject**, under *Required Actions*. Nothing else waits: the
district's nights go on, and what is held stays published as it is until somebody decides.

`decision` asks · `apply` writes the decision down, with who took it · `publish` starts the district's DAG, so that what
was approved is published now. `rollcall holds` does the same from a terminal, and can leave people out.

A run that ends with `apply` skipped was decided elsewhere, or its hold has changed: more rows joined it, and a newer
run asks about them all. Runs are started by the districts' DAGs.
"""

DEFAULTS = {
    "owner": "data-engineering",
    "retries": 2,
    "retry_delay": timedelta(minutes=2),
    "retry_policy": ExceptionRetryPolicy(
        [RetryRule("rollcall.errors.ActionRequired", RetryAction.FAIL, reason="Somebody has to mend this first.")]
    ),
}


def decision():
    """The task that asks: it waits without a worker's place, and ends by itself where nothing is asked any more."""
    from airflow.providers.standard.operators.hitl import HITLOperator
    from airflow.sdk.exceptions import TaskAwaitingInput

    class Decision(HITLOperator):
        """Approve or Reject; the hold is read when the task runs, and looked at again at every timeout."""

        def execute(self, context):
            asked = self.question(context)
            if asked is None:
                return self.decided_elsewhere()
            self.subject, self.body = asked
            self.response_timeout = timedelta(minutes=context["params"]["look_again"])
            return super().execute(context)

        def execute_complete(self, context, event):
            if event.get("error_type") != "timeout":
                return super().execute_complete(context, event)
            if self.question(context) is None:
                return self.decided_elsewhere()
            pause = timedelta(minutes=context["params"]["look_again"])
            raise TaskAwaitingInput(method_name="execute_complete", timeout=pause)

        def question(self, context):
            from rollcall.orchestration import required_actions

            return required_actions.question(context["params"], Connection.get("warehouse"))

        def decided_elsewhere(self):
            self.log.info("Nothing is asked any more: somebody decided elsewhere, or the hold has changed or ended.")
            return {"chosen_options": [], "params_input": {}, "responded_by_user": None}

    return Decision(
        task_id="decision",
        subject="A hold",
        options=["Approve", "Reject"],
        params={"because": Param("", type="string", title="Because", description_md="Why; it is kept with the hold.")},
        doc_md="Ask for a decision about the hold, and wait for it.",
    )


@task(execution_timeout=timedelta(minutes=30))
def apply(given, params):
    """Write the decision down as `rollcall holds` would; skipped where somebody decided elsewhere."""
    from airflow.sdk.exceptions import AirflowSkipException

    from rollcall.orchestration import required_actions

    by = (given["responded_by_user"] or {}).get("name") or "Airflow"
    because = given["params_input"].get("because", "")
    run = required_actions.answer(params, given["chosen_options"], by, because, Connection.get("warehouse"))
    if run is None:
        raise AirflowSkipException("There is nothing to publish.")
    return run


def publish():
    """The task that starts the district's DAG, so that what was approved is published now."""
    from airflow.providers.standard.operators.trigger_dagrun import TriggerDagRunOperator

    return TriggerDagRunOperator(
        task_id="publish",
        trigger_dag_id="roster_{{ ti.xcom_pull(task_ids='apply')['district'] }}",
        trigger_run_id="approved__{{ run_id }}",
        conf={"mode": "{{ ti.xcom_pull(task_ids='apply')['mode'] }}"},
        logical_date=None,
        skip_when_already_exists=True,
        execution_timeout=timedelta(minutes=30),
        doc_md="Start the district's DAG, so that what was approved is published now.",
    )


with DAG(
    dag_id="roster_holds",
    dag_display_name="Holds",
    description="What was held, and waits for somebody to approve or reject it",
    doc_md=DOCS,
    schedule=None,
    start_date=datetime(2026, 1, 1, tzinfo=ZoneInfo("UTC")),
    catchup=False,
    is_paused_upon_creation=False,
    # a run that waits is an active one, and no hold may wait behind another
    max_active_runs=10_000,
    tags=["roster", "holds"],
    params={
        "hold": Param("", type="string", title="Hold", description_md="Its id, as `rollcall holds list` shows it."),
        "asked_at": Param("", type="string", title="Asked at", description_md="Which of the hold's questions it is."),
        "look_again": Param(
            10,
            type="number",
            exclusiveMinimum=0,
            title="Look again",
            description_md="Minutes until the waiting task looks again whether somebody has decided elsewhere.",
        ),
    },
    default_args=DEFAULTS,
):
    apply(decision().output) >> publish()
