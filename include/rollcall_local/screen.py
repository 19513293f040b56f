"""The launcher's output: progress lines, and a live table of tasks on a terminal (elsewhere, a line per change)."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.live import Live
from rich.markup import escape
from rich.table import Table

from rollcall.credentials.airflow_api import ENDED, AirflowApi
from rollcall.errors import RollcallError

#: Task states by district, in the order of the tasks: `{"maple": {"extract": "success", "validate": "running"}}`.
States = Mapping[str, Mapping[str, str | None]]

_STYLES = {
    "success": "green",
    "running": "yellow",
    "failed": "bold red",
    "upstream_failed": "red",
    "up_for_retry": "magenta",
}


class Screen:
    """The launcher's output: a terminal, file, or pipe."""

    def __init__(self) -> None:
        self.console = Console(highlight=False, soft_wrap=True)
        self._started = time.monotonic()

    def say(self, line: str) -> None:
        """Print a line after the seconds since the start."""
        self.console.print(f"[dim]{self.seconds:4.0f} s[/]  {escape(line)}")

    def title(self, text: str) -> None:
        """Print a heading."""
        self.console.print(f"\n[bold]{escape(text)}[/]")

    def lines(self, text: str) -> None:
        """Print text without markup."""
        self.console.print(text, markup=False)

    @property
    def seconds(self) -> float:
        """Seconds since the start."""
        return time.monotonic() - self._started


class TaskBoard:
    """Shows the states of each district's tasks while they change."""

    def __init__(self, screen: Screen) -> None:
        self._screen = screen
        self._shown: dict[tuple[str, str], str | None] = {}
        self._live = Live(console=screen.console, refresh_per_second=4) if screen.console.is_terminal else None

    def __enter__(self) -> Self:
        if self._live is not None:
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._live is not None:
            self._live.stop()

    def show(self, states: States) -> None:
        """Show the current states."""
        if self._live is not None:
            self._live.update(_table(states))
            return
        for district, tasks in states.items():
            for task, state in tasks.items():
                if state in (None, "scheduled", "queued") or self._shown.get((district, task)) == state:
                    continue
                self._shown[district, task] = state
                self._screen.say(f"{district:8} {task:12} {state}")


def _table(states: States) -> Table:
    table = Table(box=None, pad_edge=False)
    table.add_column("district")
    tasks = list(dict.fromkeys(task for district in states.values() for task in district))
    for task in tasks:
        table.add_column(task, min_width=10)
    for district, found in states.items():
        cells = []
        for task in tasks:
            state = found.get(task) or "-"
            cells.append(f"[{_STYLES.get(state, 'dim')}]{state}[/]")
        table.add_row(district, *cells)
    return table


#: Limits in seconds: for parsing the DAGs, for the first scheduled run to appear, and for a night's runs to end.
_PARSED_LIMIT = 180.0
_SCHEDULED_LIMIT = 60.0
_NIGHT_LIMIT = 900.0
_TASKS = ("extract", "validate", "map_roster", "publish", "report")


class Nights:
    """Runs one night after another for some districts, through the real scheduler.

    :param check: called while waiting; raises if a needed program has died.
    """

    def __init__(self, api: AirflowApi, districts: Sequence[str], screen: Screen, check: Callable[[], None]) -> None:
        self._api = api
        self._districts = districts
        self._screen = screen
        self._check = check

    def wait_until_parsed(self) -> None:
        """:raises RollcallError: `dags_broken` with Airflow's import errors, or `dags_missing`."""

        def parsed() -> bool:
            if all(self._api.dag(_dag(district)) for district in self._districts):
                return True
            if errors := self._api.listed("importErrors"):
                details = "\n".join(f"{error['filename']}:\n{error['stack_trace']}" for error in errors)
                raise RollcallError("dags_broken", f"Airflow could not read a DAG file.\n{details}")
            return False

        names = ", ".join(_dag(district) for district in self._districts)
        self._until(parsed, _PARSED_LIMIT, RollcallError("dags_missing", f"Airflow does not list {names}."))

    def first(self) -> None:
        """Run the first night. Airflow schedules an unpaused DAG's latest night by itself."""
        self._watch({district: self._scheduled(district) or self._trigger(district, 1) for district in self._districts})

    def next(self, number: int, conf: dict[str, object] | None = None) -> None:
        """Run one more night, like the Trigger button.

        :param conf: values for the trigger form, default otherwise.
        """
        self._watch({district: self._trigger(district, number, conf) for district in self._districts})

    def _scheduled(self, district: str) -> str | None:
        """The ID of the run that Airflow schedules by itself, or None if none is due."""
        dag_id = _dag(district)

        def is_scheduled() -> bool:
            return bool(self._api.runs(dag_id)) or not self._is_due(dag_id)

        self._until(
            is_scheduled, _SCHEDULED_LIMIT, RollcallError("run_missing", f"Airflow scheduled no run of {dag_id}.")
        )
        runs = self._api.runs(dag_id)
        return str(runs[0]["dag_run_id"]) if runs else None

    def _is_due(self, dag_id: str) -> bool:
        dag = self._api.dag(dag_id) or {}
        after = dag.get("next_dagrun_run_after")
        return not dag.get("is_paused") and after is not None and datetime.fromisoformat(after) <= datetime.now(UTC)

    def _trigger(self, district: str, number: int, conf: dict[str, object] | None = None) -> str:
        return self._api.trigger(_dag(district), conf, note=f"Demo, night {number}")

    def _watch(self, runs: dict[str, str]) -> None:
        """:raises RollcallError: `night_failed`, with the end of the failed task's log."""
        with TaskBoard(self._screen) as board:

            def ended() -> bool:
                board.show({district: self._states(district, run) for district, run in runs.items()})
                return all(self._api.run_state(_dag(district), run) in ENDED for district, run in runs.items())

            self._until(
                ended,
                _NIGHT_LIMIT,
                RollcallError("night_too_long", f"The night's runs did not end within {_NIGHT_LIMIT:.0f} s."),
            )
            board.show({district: self._states(district, run) for district, run in runs.items()})
        for district, run in runs.items():
            if self._api.run_state(_dag(district), run) != "success":
                raise self._failure(district, run)

    def _states(self, district: str, run: str) -> dict[str, str | None]:
        found = self._api.task_states(_dag(district), run)
        names = [name for name in _TASKS if name in found] + sorted(set(found) - set(_TASKS))
        return {name: found[name] for name in names}

    def _failure(self, district: str, run: str) -> RollcallError:
        failed = [task for task, state in self._states(district, run).items() if state == "failed"]
        log = self._api.task_log(_dag(district), run, failed[0]) if failed else ""
        tail = "\n".join(log.splitlines()[-30:])
        return RollcallError(
            "night_failed", f"{district}: {', '.join(failed) or 'the run'} failed. The end of its log:\n{tail}"
        )

    def _until(self, done: Callable[[], bool], limit: float, error: RollcallError) -> None:
        deadline = time.monotonic() + limit
        while not _unless_unreachable(done):
            self._check()
            if time.monotonic() > deadline:
                raise error
            time.sleep(0.5)


def _unless_unreachable(done: Callable[[], bool]) -> bool:
    """Treat an API server that does not answer as busy. If it has died, the check reports it with its log."""
    try:
        return done()
    except RollcallError as error:
        if error.code != "airflow_unreachable":
            raise
        return False


def _dag(district: str) -> str:
    return f"roster_{district}"
