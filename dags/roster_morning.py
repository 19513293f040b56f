"""One message per morning: the published rosters, and the districts that need action, worst first.

`ROLLCALL_MORNING` (a cron expression) and `ROLLCALL_TIMEZONE` set the time. The connection `rollcall_notify` sets the
recipient.
"""

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from airflow.sdk import DAG, Connection, CronTriggerTimetable, task

from rollcall.settings import morning_schedule, service_dag_name

DOCS = """
Every morning, this DAG sends a digest of all districts: the same content as `rollcall status`.

The connection `rollcall_notify` decides where it goes:

- Type `smtp`: email to the addresses in its extra `to`.
- Type `webhook`: Slack, Teams, or Mattermost.
- No connection: this DAG's log only.

Urgent messages do not wait for the morning. If the published roster is too old, or `publish_by` has passed, the
district's own DAG sends one at once.
"""

CRON, ZONE = morning_schedule()


def explain_failure(context):
    """End a failed task's log with what happened and what to do, below Airflow's traceback."""
    from rollcall.orchestration import failures

    failures.explain(context.get("exception"), context["task_instance"])


@task(retries=3, retry_delay=timedelta(minutes=5), execution_timeout=timedelta(minutes=10))
def send_digest():
    """Build the digest and send it."""
    from oneroster_provider.links import page_url
    from oneroster_provider.notifier import RollcallNotifier
    from rollcall.status.digest import HOLDS_DAG, holds_dag_notes, morning_digest

    notes = holds_dag_notes(is_paused(HOLDS_DAG))
    RollcallNotifier(*morning_digest(Connection.get("warehouse"), [*notes, page_url()])).notify({})


def is_paused(dag_id):
    """Whether the DAG is paused; None if Airflow does not have it."""
    from airflow.sdk.exceptions import AirflowRuntimeError
    from airflow.sdk.execution_time import task_runner
    from airflow.sdk.execution_time.comms import GetDag

    try:
        found = task_runner.SUPERVISOR_COMMS.send(GetDag(dag_id=dag_id))
    except AirflowRuntimeError as error:
        detail = error.error.detail or {}
        return None if detail.get("status_code") == 404 else False  # no warning without evidence
    return found.is_paused


@task(execution_timeout=timedelta(hours=1))
def apply_retention():
    """Delete data past each district's retention period, even if the district's nights fail."""
    from rollcall.status import digest

    digest.apply_retention(Connection.get("warehouse"))


with DAG(
    dag_id="roster_morning",
    dag_display_name=service_dag_name("Morning"),
    description="One message per morning: the districts that need action",
    doc_md=DOCS,
    schedule=CronTriggerTimetable(CRON, timezone=ZONE),
    start_date=datetime(2026, 1, 1, tzinfo=ZoneInfo(ZONE)),
    catchup=False,
    is_paused_upon_creation=False,
    max_active_runs=1,
    dagrun_timeout=timedelta(hours=1),
    tags=["rollcall-service", "morning"],
    default_args={
        "owner": "data-engineering",
        "on_failure_callback": explain_failure,
        "on_retry_callback": explain_failure,
    },
):
    send_digest()
    apply_retention()
