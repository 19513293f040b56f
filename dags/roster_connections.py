"""One DAG for all connections: are they alive, and do they belong to the district they name?

At 20:30 UTC it is half past three or four in New York and about one in Los Angeles: the districts' offices are open,
and no night has begun (22:00 in New York is 02:00 or 03:00 UTC), so who finds a failing connection can still get help.
A check asks one thing at a time, as peak hours allow, and waits for its turn where a pull is under way.
"""

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from airflow.sdk import DAG, Connection, ExceptionRetryPolicy, Param, RetryAction, RetryRule, task

DOCS = """
Every afternoon, before the nights begin: each district's connection **step by step**, as `rollcall check` does it, with
what is wrong in a sentence and what to do. What a provider does is kept as its profile, and a change is said.

A district that fails stops no other; the run fails at the end and names those that did. Trigger it with a `district` to
check one.
"""

DEFAULTS = {
    "owner": "data-engineering",
    "retries": 2,
    "retry_delay": timedelta(minutes=5),
    "retry_policy": ExceptionRetryPolicy(
        [RetryRule("rollcall.errors.ActionRequired", RetryAction.FAIL, reason="Somebody has to mend this first.")]
    ),
    "execution_timeout": timedelta(hours=2),
}


@task
def check_connections(params):
    """Check each district's connection, one request at a time, and print its steps."""
    from oneroster_provider.hook import OneRosterHook
    from rollcall.check.connections import check_connections

    check_connections(params["district"], Connection.get("warehouse"), lambda conn_id: OneRosterHook(conn_id).pasted())


with DAG(
    dag_id="roster_connections",
    dag_display_name="Connections",
    description="Whether every district's connection works, before the nights begin",
    doc_md=DOCS,
    schedule="30 20 * * *",
    start_date=datetime(2026, 1, 1, tzinfo=ZoneInfo("UTC")),
    catchup=False,
    is_paused_upon_creation=False,
    max_active_runs=1,
    dagrun_timeout=timedelta(hours=3),
    tags=["roster", "connections"],
    params={
        "district": Param(
            None, type=["string", "null"], title="District", description_md="Its id, as `maple`; empty means all."
        )
    },
    default_args=DEFAULTS,
):
    check_connections()
