"""One message per morning: which roster readers have, and only the districts that need a person, worst first.

When, and on whose clock, says `ROLLCALL_MORNING` (a cron expression) and `ROLLCALL_TIMEZONE`; where it goes, the
connection `rollcall_notify`.
"""

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from airflow.sdk import DAG, Connection, CronTriggerTimetable, task

from rollcall.settings import morning_schedule

DOCS = """
The digest of all districts, as `rollcall status` shows it. It goes where the connection `rollcall_notify` says: of
type `smtp` by e-mail (extra `to`), of type `webhook` to Slack, Teams or Mattermost. Without that connection it stands
in this DAG's log only. What cannot wait, because readers are affected or a district's `publish_by` has passed, is told
at once by the district's own DAG.
"""

CRON, ZONE = morning_schedule()


@task(retries=3, retry_delay=timedelta(minutes=5), execution_timeout=timedelta(minutes=10))
def tell():
    """Work out the digest and send it."""
    from oneroster_provider.notifier import RollcallNotifier
    from rollcall.status.digest import HOLDS_DAG, holds_dag_notes, morning_digest

    notes = holds_dag_notes(is_paused(HOLDS_DAG))
    RollcallNotifier(*morning_digest(Connection.get("warehouse"), notes)).notify({})


def is_paused(dag_id):
    """Whether a DAG is paused; None where Airflow does not have it."""
    from airflow.sdk.exceptions import AirflowRuntimeError
    from airflow.sdk.execution_time import task_runner
    from airflow.sdk.execution_time.comms import GetDag

    try:
        found = task_runner.SUPERVISOR_COMMS.send(GetDag(dag_id=dag_id))
    except AirflowRuntimeError as error:
        detail = error.error.detail or {}
        return None if detail.get("status_code") == 404 else False  # what is not known is not told
    return found.is_paused


@task(execution_timeout=timedelta(hours=1))
def tidy():
    """Delete what is older than districts keep it, also of districts whose nights do not reach their end."""
    from rollcall.status import digest as telling

    telling.apply_retention(Connection.get("warehouse"))


with DAG(
    dag_id="roster_morning",
    dag_display_name="Morning",
    description="One message per morning: the districts that need a person",
    doc_md=DOCS,
    schedule=CronTriggerTimetable(CRON, timezone=ZONE),
    start_date=datetime(2026, 1, 1, tzinfo=ZoneInfo(ZONE)),
    catchup=False,
    is_paused_upon_creation=False,
    max_active_runs=1,
    dagrun_timeout=timedelta(hours=1),
    tags=["roster", "morning"],
    default_args={"owner": "data-engineering"},
):
    tell()
    tidy()
