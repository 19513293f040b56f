"""One DAG per district: its roster, every night, from the student information system into the warehouse.

The tasks only carry things to the stages in `include/`; each district is described by one YAML file and nowhere else.
"""

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from airflow.sdk import (
    DAG,
    Asset,
    Connection,
    CronDataIntervalTimetable,
    DeadlineAlert,
    DeadlineReference,
    ExceptionRetryPolicy,
    Metadata,
    Param,
    RetryAction,
    RetryRule,
    SyncCallback,
    get_parsing_context,
    task,
)

from rollcall.settings import COLLECTIONS, District, Nights, load_districts

DOCS = """
**{name}** (OneRoster {version}), every night at `{cron}` {timezone}.

`extract` pulls every collection and proves that it is complete · `validate` judges each record · `map_roster` works out
what changes, gives people their accounts and lets the guard look at it · `publish` applies it in one transaction ·
`report` tells. Trigger it for a sync now; with `dry_run` nothing is published. A backfill replays past nights into
history.

Described in `{district}.yaml`; credentials in the connection `{connection}`.
"""

MODES = {
    "auto": "What the night needs",
    "full": "Everything",
    "delta": "What was modified since the last pull",
    "remap": "Nothing: map again what is published",
}
PARAMS = {
    "mode": Param("auto", enum=list(MODES), values_display=MODES, title="Mode"),
    "collections": Param(
        [],
        type=["array", "null"],
        items={"type": "string", "enum": list(COLLECTIONS)},
        examples=list(COLLECTIONS),
        title="Collections",
        description_md="Empty means all. What is not pulled stays as published.",
    ),
    "dry_run": Param(False, type="boolean", title="Dry run", description_md="Say what would change, publish nothing."),
}
DEFAULTS = {
    "retries": 2,
    "retry_delay": timedelta(minutes=2),
    "retry_policy": ExceptionRetryPolicy(
        [RetryRule("rollcall.errors.ActionRequired", RetryAction.FAIL, reason="Somebody has to mend this first.")]
    ),
    "execution_timeout": timedelta(hours=4),
}


@task
def extract(district, run_id, dag_run, params):
    """Pull all collections of the district into the landing zone, within the provider's budget."""
    from oneroster_provider.hook import OneRosterHook
    from rollcall.orchestration import tasks

    warehouse, interval_end = Connection.get("warehouse"), dag_run.data_interval_end
    return tasks.extract(district, run_id, dag_run.run_type, warehouse, OneRosterHook, params, interval_end)


@task
def validate(district, pull, run_id):
    """Judge each record by itself; refused ones go to the rejects with their reasons."""
    from rollcall.orchestration import tasks

    return tasks.validate(district, pull, run_id, Connection.get("warehouse"))


@task
def map_roster(district, pull, run_id):
    """Lay tonight over the published roster, give people their accounts, let the guard judge what would change."""
    from rollcall.orchestration import tasks

    return tasks.map_roster(district, pull, run_id, Connection.get("warehouse"))


@task
def publish(district, pull, run_id, params):
    """Apply the change set in one transaction: readers see yesterday's roster or today's."""
    from rollcall.orchestration import tasks

    return tasks.publish(district, pull, run_id, Connection.get("warehouse"), dry_run=params["dry_run"])


@task
def report(district, published, run_id, outlets):
    """Tell what was done: people in the log, other DAGs by an asset event with the counts."""
    from airflow.sdk.exceptions import AirflowSkipException

    from rollcall.orchestration import tasks

    tasks.report(district, run_id, Connection.get("warehouse"))
    ask_about_holds(district)
    if published["status"] != "published":
        raise AirflowSkipException("Nothing was committed, so there is no asset event.")
    yield Metadata(outlets[0], published)


def ask_about_holds(district):
    """Start a run of `roster_holds` for each decision that waits, unless there is one; a refusal holds up nothing.

    Airflow's operator for this starts one run per task, and a task per hold would cost the district a second each.
    """
    from airflow.sdk.exceptions import AirflowRuntimeError
    from airflow.sdk.execution_time import task_runner
    from airflow.sdk.execution_time.comms import TriggerDagRun

    from rollcall.orchestration import required_actions

    for run_id, asked in required_actions.questions(district, Connection.get("warehouse")).items():
        try:
            task_runner.SUPERVISOR_COMMS.send(TriggerDagRun(dag_id="roster_holds", run_id=run_id, conf=asked))
        except AirflowRuntimeError as error:
            required_actions.not_asked(run_id, str(error))


def deadline(district: District) -> list[DeadlineAlert]:
    """Where the district says by when readers must have the night's roster: one alert for each time a night may have.

    A deadline of Airflow is so long after the run was queued, and when clocks change a night is longer or shorter: the
    alert that is not that of the night tells nothing.
    """
    return [
        DeadlineAlert(
            reference=DeadlineReference.DAGRUN_QUEUED_AT,
            interval=allowed,
            callback=SyncCallback(
                "oneroster_provider.notifier.tell_if_urgent",
                {"district": district.district, "minutes": int(allowed / timedelta(minutes=1))},
            ),
            name=f"publish_by after {allowed}",
        )
        for allowed in Nights(district).times_to_publish()
    ]


def tell_if_readers_are_affected(context):
    """A night that failed is told at once only where readers have none of the last two; else in the morning."""
    from oneroster_provider.notifier import tell_if_urgent
    from rollcall.orchestration import tasks

    district = context["dag"].dag_id.removeprefix("roster_")
    tasks.ended(district, context["run_id"], Connection.get("warehouse"))
    tell_if_urgent(context, district)


def build(district: District) -> DAG:
    """A district's DAG, the stages top to bottom."""
    key, schedule = district.district, district.schedule
    said = {
        "name": district.name,
        "version": district.version,
        "cron": schedule.cron(key),
        "timezone": schedule.timezone,
        "district": key,
        "connection": district.connection_id,
    }
    with DAG(
        dag_id=district.dag_id,
        dag_display_name=district.name,
        description=f"Nightly roster of {district.name}",
        doc_md=DOCS.format(**said),
        schedule=CronDataIntervalTimetable(schedule.cron(key), schedule.timezone) if district.enabled else None,
        start_date=datetime.combine(district.starts_on, datetime.min.time(), ZoneInfo(schedule.timezone)),
        catchup=False,
        is_paused_upon_creation=False,
        max_active_runs=1,
        dagrun_timeout=timedelta(hours=6),
        tags=["roster", f"oneroster-{district.version}"],
        params=PARAMS,
        deadline=deadline(district),
        on_failure_callback=tell_if_readers_are_affected,
        default_args={**DEFAULTS, "owner": district.owner, "pool": district.pool},
    ) as dag:
        roster = Asset(name=district.dag_id, uri=f"rollcall://roster/{key}")
        pulled = extract(key)
        judged = validate(key, pulled)
        mapped = map_roster(key, judged)
        published = publish(key, mapped)
        report.override(outlets=[roster])(key, published)
    return dag


only = get_parsing_context().dag_id
for found in load_districts(only.removeprefix("roster_") if only else None)[0]:
    globals()[found.dag_id] = build(found)
