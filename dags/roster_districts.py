"""One DAG per district: every night, its roster moves from the student information system to the warehouse.

The tasks only call the stages in `rollcall`. One YAML file describes each district.
"""

from datetime import timedelta

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
from airflow.sdk.configuration import conf

from rollcall.settings import (
    COLLECTIONS,
    LONGEST_RUN,
    District,
    Nights,
    load_districts,
    require_shared_landing,
    shard_count,
)

DOCS = """
**{name}** · OneRoster {version} · runs at `{cron}` ({timezone})

| Task | What it does |
|---|---|
| `extract` | Pulls every collection and proves that each one is complete. |
| `validate` | Checks each record against the rules and rejects invalid ones, with reasons. |
| `map_roster` | Compares with the published roster, assigns accounts, and holds unusual changes for a decision. |
| `publish` | Applies the changes in one transaction. |
| `report` | Logs the results, asks about holds, and emits the asset event. |

- **Sync now:** trigger this DAG. With `dry_run`, nothing is published.
- **Past nights:** a backfill replays them into history.
- **Roster:** the tab *Roster*, or [its page]({page}): changes, people left out, holds, and history.
- **Settings:** `{district}.yaml`. **Credentials:** connection `{connection}`.
"""

MODES = {
    "auto": "Auto (delta, or full when due)",
    "full": "Full (all records)",
    "delta": "Delta (changes since the last pull)",
    "remap": "Remap only (no SIS requests)",
}
PARAMS = {
    "mode": Param("auto", enum=list(MODES), values_display=MODES, title="Mode"),
    "collections": Param(
        [],
        type=["array", "null"],
        items={"type": "string", "enum": list(COLLECTIONS)},
        examples=list(COLLECTIONS),
        title="Collections",
        description_md="Leave empty to pull all. Collections you do not pull stay as published.",
    ),
    "dry_run": Param(
        False, type="boolean", title="Dry run", description_md="Report what would change without publishing it."
    ),
}


def explain_failure(context):
    """End a failed task's log with what happened and what to do, below Airflow's traceback."""
    from rollcall.orchestration import failures

    failures.explain(context.get("exception"), context["task_instance"])


DEFAULTS = {
    "on_failure_callback": explain_failure,
    "on_retry_callback": explain_failure,
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
    "execution_timeout": timedelta(hours=4),
}


@task
def extract(district, run_id, dag_run, params):
    """Pull the district's collections into the landing zone, within the provider's request limit."""
    from oneroster_provider.hook import OneRosterHook
    from rollcall.orchestration import tasks

    warehouse, interval_end = Connection.get("warehouse"), dag_run.data_interval_end
    return tasks.extract(district, run_id, dag_run.run_type, warehouse, OneRosterHook, params, interval_end)


@task
def validate(district, pull, run_id):
    """Check each record against the rules. Rejected records are stored with their reasons."""
    from rollcall.orchestration import tasks

    return tasks.validate(district, pull, run_id, Connection.get("warehouse"))


@task
def map_roster(district, pull, run_id):
    """Compare with the published roster, assign accounts, and hold unusual changes for a decision."""
    from rollcall.orchestration import tasks

    return tasks.map_roster(district, pull, run_id, Connection.get("warehouse"))


@task
def publish(district, pull, run_id, params):
    """Apply the change set in one transaction: every table shows yesterday's roster or today's."""
    from rollcall.orchestration import tasks

    return tasks.publish(district, pull, run_id, Connection.get("warehouse"), dry_run=params["dry_run"])


@task
def report(district, published, run_id, outlets):
    """Log the results, ask about holds, and emit an asset event with the counts."""
    from airflow.sdk.exceptions import AirflowSkipException

    from rollcall.orchestration import tasks

    tasks.report(district, run_id, Connection.get("warehouse"))
    ask_about_holds(district)
    if published["status"] != "published":
        raise AirflowSkipException("Nothing was published, so there is no asset event.")
    yield Metadata(outlets[0], published)


def ask_about_holds(district):
    """Start a run of `roster_holds` for each pending decision that has none. If Airflow refuses, the task continues.

    Airflow's operator starts one run per task, and a task per hold would cost the district a second each.
    """
    from airflow.sdk.exceptions import AirflowRuntimeError
    from airflow.sdk.execution_time import task_runner
    from airflow.sdk.execution_time.comms import TriggerDagRun

    from rollcall.orchestration import required_actions

    for run_id, asked in required_actions.open_questions(district, Connection.get("warehouse")).items():
        try:
            task_runner.SUPERVISOR_COMMS.send(TriggerDagRun(dag_id="roster_holds", run_id=run_id, conf=asked))
        except AirflowRuntimeError as error:
            required_actions.warn_not_started(run_id, str(error))


def deadline(district: District) -> list[DeadlineAlert]:
    """Alerts for the district's `publish_by`: one for each length a night can have.

    An Airflow deadline is a fixed time after the run was queued, but a night is longer or shorter when clocks change.
    The callback ignores the alert that does not match the night.
    """
    return [
        DeadlineAlert(
            reference=DeadlineReference.DAGRUN_QUEUED_AT,
            interval=allowed,
            callback=SyncCallback(
                "oneroster_provider.notifier.notify_if_urgent",
                {"district": district.district, "minutes": int(allowed / timedelta(minutes=1))},
            ),
            name=f"publish_by after {allowed}",
        )
        for allowed in Nights(district).times_to_publish()
    ]


def notify_on_failure(context):
    """Notify at once only if neither of the last two nights was published; otherwise the morning digest reports it."""
    from oneroster_provider.notifier import notify_if_urgent
    from rollcall.orchestration import tasks

    district = context["dag"].dag_id.removeprefix("roster_")
    tasks.ended(district, context["run_id"], Connection.get("warehouse"))
    notify_if_urgent(context, district)


def build(district: District) -> DAG:
    """Build the district's DAG; its stages read top to bottom."""
    from oneroster_provider.links import ROSTER_LINKS, page_url

    key, schedule, nights = district.district, district.schedule, Nights(district)
    texts = {
        "name": district.name,
        "version": district.version,
        "cron": schedule.cron(key),
        "timezone": schedule.timezone,
        "district": key,
        "connection": district.connection_id,
        "page": page_url(f"/districts/{key}"),
    }
    with DAG(
        dag_id=district.dag_id,
        dag_display_name=district.name,
        description=f"{key}: nightly roster of {district.name}",
        doc_md=DOCS.format(**texts),
        schedule=CronDataIntervalTimetable(schedule.cron(key), schedule.timezone) if district.enabled else None,
        start_date=nights.start_date(),
        catchup=False,
        is_paused_upon_creation=False,
        max_active_runs=1,
        dagrun_timeout=LONGEST_RUN,
        tags=["roster", f"oneroster-{district.version}"],
        params=PARAMS,
        deadline=deadline(district),
        on_failure_callback=notify_on_failure,
        default_args={**DEFAULTS, "owner": district.owner, "pool": district.pool},
    ) as dag:
        roster = Asset(name=district.dag_id, uri=f"rollcall://roster/{key}")
        pulled = extract(key)
        validated = validate(key, pulled)
        mapped = map_roster(key, validated)
        published = publish(key, mapped)
        reported = report.override(outlets=[roster])(key, published)
        for task_output in (published, reported):
            task_output.operator.operator_extra_links = ROSTER_LINKS
    for operator in dag.tasks:
        # A copy of the DAG's parameters, which a task reads anyway. Airflow checks each copy twice when it serializes
        # the DAG: four fifths of the time that a district's DAG takes.
        operator.params = type(operator.params)()
    return dag


def build_shard(shard: int) -> dict[str, DAG]:
    """The DAGs of one shard by ID. A task parses only its own.

    :param shard: from 0; see `rollcall.settings.deployment`.
    """
    if shard >= shard_count():
        return {}
    require_shared_landing(conf.get("core", "executor"))
    requested = get_parsing_context().dag_id
    only = requested.removeprefix("roster_") if requested else None
    return {district.dag_id: build(district) for district in load_districts(only, shard=shard)[0]}


# Airflow loads this file under another name. The files in `shards/` import it by its own.
if __name__ != "roster_districts":
    globals().update(build_shard(0))
