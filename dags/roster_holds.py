"""Pending decisions: one run per hold, with a task that waits under Required Actions in Airflow.

A district's own DAG never waits. Its `report` task starts a run here for each hold and ends. The waiting task also ends
if the decision is made on the command line or the hold closes: it checks every few minutes.
"""

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from airflow.sdk import DAG, Connection, ExceptionRetryPolicy, Param, RetryAction, RetryRule, task

from rollcall.settings import service_dag_name

DOCS = """
When the guard holds a change, it waits here for **Approve** or **Reject**, under *Required Actions*. Only that change
waits. The district's nights go on, and the held rows stay published as they are until you decide.

| Task | What it does |
|---|---|
| `decision` | Asks for the decision and waits. |
| `apply` | Records the decision and who made it. |
| `publish` | Starts the district's DAG, which publishes what you approved. |

- **On the command line:** `rollcall holds` does the same. It can also leave out single people.
- **`apply` was skipped:** the decision was made elsewhere, or more rows joined the hold and a newer run asks about all.
- **Do not trigger this DAG yourself.** The districts' DAGs start its runs.
"""


def explain_failure(context):
    """End a failed task's log with what happened and what to do, below Airflow's traceback."""
    from rollcall.orchestration import failures

    failures.explain(context.get("exception"), context["task_instance"])


DEFAULTS = {
    "on_failure_callback": explain_failure,
    "on_retry_callback": explain_failure,
    "owner": "data-engineering",
    "retries": 2,
    "retry_delay": timedelta(minutes=2),
    "retry_policy": ExceptionRetryPolicy(
        [
            RetryRule(
                "rollcall.errors.ActionRequired",
                RetryAction.FAIL,
                reason="Needs action before it can succeed; not retried.",
            )
        ]
    ),
}


def decision():
    """The task that asks. It waits without a worker slot and ends once no decision is needed."""
    from airflow.providers.standard.operators.hitl import HITLOperator
    from airflow.sdk.exceptions import TaskAwaitingInput

    class Decision(HITLOperator):
        """Asks for Approve or Reject. Reads the hold when the task starts and again at every timeout."""

        def execute(self, context):
            question = self.question(context)
            if question is None:
                return self.no_decision_needed()
            self.subject, self.body = question
            self.response_timeout = timedelta(minutes=context["params"]["recheck_minutes"])
            return super().execute(context)

        def execute_complete(self, context, event):
            if event.get("error_type") != "timeout":
                return super().execute_complete(context, event)
            if self.question(context) is None:
                return self.no_decision_needed()
            pause = timedelta(minutes=context["params"]["recheck_minutes"])
            raise TaskAwaitingInput(method_name="execute_complete", timeout=pause)

        def question(self, context):
            from rollcall.orchestration import required_actions

            return required_actions.render_question(context["params"], Connection.get("warehouse"))

        def no_decision_needed(self):
            self.log.info("No decision is needed: it was made elsewhere, or the hold has changed or closed.")
            return {"chosen_options": [], "params_input": {}, "responded_by_user": None}

    return Decision(
        task_id="decision",
        subject="A hold",
        options=["Approve", "Reject"],
        params={"reason": Param("", type="string", title="Reason", description_md="Saved with the hold.")},
        doc_md="Ask for a decision about the hold and wait for it.",
    )


@task(execution_timeout=timedelta(minutes=30))
def apply(given, params):
    """Record the decision, as `rollcall holds` does. Skipped if it was made elsewhere."""
    from airflow.sdk.exceptions import AirflowSkipException

    from rollcall.orchestration import required_actions

    by = (given["responded_by_user"] or {}).get("name") or "Airflow"
    reason = given["params_input"].get("reason", "")
    run = required_actions.record_answer(params, given["chosen_options"], by, reason, Connection.get("warehouse"))
    if run is None:
        raise AirflowSkipException("Nothing to publish.")
    return run


def publish():
    """The task that starts the district's DAG, which publishes what was approved."""
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
    dag_display_name=service_dag_name("Holds"),
    description="Held changes that wait for approval or rejection",
    doc_md=DOCS,
    schedule=None,
    start_date=datetime(2026, 1, 1, tzinfo=ZoneInfo("UTC")),
    catchup=False,
    is_paused_upon_creation=False,
    # A waiting run counts as active, and no hold may wait for another.
    max_active_runs=10_000,
    tags=["rollcall-service", "holds"],
    params={
        "hold": Param(
            "", type="string", title="Hold", description_md="The hold ID, as shown by `rollcall holds list`."
        ),
        "asked_at": Param(
            "",
            type="string",
            title="Asked at",
            description_md="When this hold was last asked about. Set by the district's DAG.",
        ),
        "recheck_minutes": Param(
            10,
            type="number",
            exclusiveMinimum=0,
            title="Recheck interval (minutes)",
            description_md="How often the waiting task checks whether the decision was made elsewhere.",
        ),
    },
    default_args=DEFAULTS,
):
    apply(decision().output) >> publish()
