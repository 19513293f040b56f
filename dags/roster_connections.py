"""One DAG checks every connection: does it work, and does it belong to its district?

20:30 UTC is 3:30 or 4:30 pm in New York and about 1 pm in Los Angeles. District offices are open and no night has
started (22:00 in New York is 02:00 or 03:00 UTC), so there is time to get help. A check sends one request at a time, as
peak hours allow, and waits while a pull is running.
"""

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from airflow.sdk import DAG, Connection, ExceptionRetryPolicy, Param, RetryAction, RetryRule, task

from rollcall.settings import service_dag_name

DOCS = """
Every afternoon, before the nights start, this DAG checks each district's connection **step by step**, like
`rollcall check`. The log shows what is wrong and what to do.

- A failing district does not stop the others. The run fails at the end and names the districts that failed.
- Each provider's behavior is stored as its profile. The log reports any change.
- To check one district, trigger this DAG with its ID in `district`.
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
    "retry_delay": timedelta(minutes=5),
    "retry_policy": ExceptionRetryPolicy(
        [
            RetryRule(
                "rollcall.errors.ActionRequired",
                RetryAction.FAIL,
                reason="Needs action before it can succeed; not retried.",
            )
        ]
    ),
    "execution_timeout": timedelta(hours=2),
}


@task
def check_connections(params):
    """Check each district's connection, one request at a time, and log every step."""
    from oneroster_provider.hook import OneRosterHook
    from rollcall.check.connections import check_connections

    def find(conn_id):
        return OneRosterHook(conn_id).raw_connection()

    check_connections(params["district"], Connection.get("warehouse"), find)


with DAG(
    dag_id="roster_connections",
    dag_display_name=service_dag_name("Connections"),
    description="Checks every district's connection before the nights start",
    doc_md=DOCS,
    schedule="30 20 * * *",
    start_date=datetime(2026, 1, 1, tzinfo=ZoneInfo("UTC")),
    catchup=False,
    is_paused_upon_creation=False,
    max_active_runs=1,
    dagrun_timeout=timedelta(hours=3),
    tags=["rollcall-service", "connections"],
    params={
        "district": Param(
            None,
            type=["string", "null"],
            title="District",
            description_md="The district ID, such as `maple`. Leave empty to check all districts.",
        )
    },
    default_args=DEFAULTS,
):
    check_connections()
