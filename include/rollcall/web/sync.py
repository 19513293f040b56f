"""Sync now: start a run through Airflow, as the user, and follow it."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from starlette.responses import Response

from rollcall.reports import report
from rollcall.warehouse import run_progress
from rollcall.web.access import Right
from rollcall.web.page import Opened, Page, PageRouter

router = PageRouter()

#: The runs a person can start: key, label, what it does, and the parameters of the DAG.
KINDS: tuple[tuple[str, str, str, dict[str, Any]], ...] = (
    ("dry_run", "Dry run first", "Pulls and shows what would change. Publishes nothing.", {"dry_run": True}),
    ("auto", "Sync", "Pulls what changed since the last pull, or everything when that is due, and publishes it.", {}),
    ("full", "Full sync", "Pulls every record and publishes the result.", {"mode": "full"}),
    ("remap", "Remap only", "Maps again what is published, after a change of settings. Sends no SIS requests.",
     {"mode": "remap"}),
)  # fmt: skip

#: The tasks of a district's DAG: id and what a person calls it.
_STEPS = (
    ("extract", "Pull from the SIS"),
    ("validate", "Check each record"),
    ("map_roster", "Compare and map"),
    ("publish", "Publish"),
    ("report", "Report"),
)
_ENDED = ("success", "failed")


@router.page("/districts/{district}/sync", right=Right.EDIT)
def choose(page: Opened) -> Response:
    return _form(page)


def _form(page: Page, problem: str = "", status_code: int = 200) -> Response:
    return page.render("sync.html", status_code, kinds=KINDS, problem=problem, enabled=page.district.enabled)


@router.action("/districts/{district}/sync", right=Right.EDIT)
def start(page: Opened) -> Response:
    kind = page.text("kind") or "auto"
    conf = next((conf for key, _, _, conf in KINDS if key == kind), None)
    if conf is None:
        return _form(page, "Choose one of these.", 422)
    if not page.district.enabled:
        return _form(page, "This district is disabled in its settings. Enable it first.", 422)
    run_id, problem = start_run(page, conf)
    if problem:
        return _form(page, problem, 422)
    with page.transaction() as connection:
        page.decide(connection, "sync_started", subject=run_id, after={"kind": kind})
    return page.redirect(f"/districts/{page.district_id}/sync/{quote(run_id, safe='')}")


def start_run(page: Page, conf: dict[str, Any]) -> tuple[str, str]:
    """Start a run of the district's DAG as the user.

    :returns: the run ID, or what is in the way.
    """
    dag = page.airflow("GET", f"/dags/{page.dag_id}")
    if dag.status == 404:
        return "", "Airflow has not read this district yet. A new district takes up to a minute."
    if dag.content.get("is_paused"):
        return "", "The district's DAG is paused in Airflow, so a run would wait forever. Unpause it first."
    body = {"logical_date": None, "conf": conf, "note": f"Started on the page Rosters by {page.user.get_name()}"}
    answer = page.airflow("POST", f"/dags/{page.dag_id}/dagRuns", body)
    if not answer.ok:
        return "", f"Airflow did not start the run ({answer.status}). {answer.detail}".strip()
    return str(answer.content["dag_run_id"]), ""


@router.page("/districts/{district}/sync/{run_id}", right=Right.READ)
def follow(page: Opened) -> Response:
    run_id = str(page.request.path_params["run_id"])
    path = f"/dags/{page.dag_id}/dagRuns/{quote(run_id, safe='')}"
    run = page.airflow("GET", path)
    tasks = page.airflow("GET", f"{path}/taskInstances?limit=100")
    states = {task["task_id"]: task["state"] for task in tasks.content.get("task_instances", ())}
    state = str(run.content.get("state", "unknown"))
    with page.snapshot() as connection:
        head = report.read_run(connection, page.district_id, run_id)
        reading = run_progress.read(connection, page.district_id, run_id)
        counts = report.read_counts(connection, page.district_id, run_id)
    return page.render(
        "sync_run.html",
        run_id=run_id,
        state=state,
        is_done=state in _ENDED or not run.ok,
        steps=[(task, label, states.get(task)) for task, label in _STEPS],
        head=head,
        reading=reading,
        counts=[row for row in counts if any(row[name] for name in ("added", "changed", "removed", "held"))],
        may_edit=page.may(Right.EDIT),
        dry_run=bool((run.content.get("conf") or {}).get("dry_run")),
    )
