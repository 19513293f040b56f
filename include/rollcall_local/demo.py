"""`make demo`: a real Airflow syncs two made-up districts over HTTP into a real PostgreSQL, twice.

Without a terminal it ends by itself. Exit code 0 only if both districts were published twice.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

import sqlalchemy as sa

from rollcall.landing.zone import Landing
from rollcall_local import processes
from rollcall_local.airflow_env import own_environment
from rollcall_local.screen import Nights, Screen
from rollcall_local.stack import Stack

DISTRICTS = ("maple", "cedar")
NIGHTS = 2


def main() -> int:
    """Run the demo, without the settings of another Airflow or Rollcall in the environment."""
    for name in set(os.environ) - set(own_environment()):
        del os.environ[name]
    return processes.run(_demo)


def _demo() -> int:
    screen = Screen()
    screen.title("Rollcall: two school districts, two nights")
    with Stack("demo", fresh=True, say=screen.say) as stack:
        engine = sa.create_engine(stack.warehouse_url)
        try:
            complete = _two_nights(stack, screen, engine)
        finally:
            engine.dispose()
        if sys.stdin is not None and sys.stdin.isatty():
            screen.title("Look around")
            screen.lines(stack.addresses())
            stack.stay()
        else:
            screen.title("Done")
            screen.say("No terminal: the demo stops everything it started.")
            screen.say(
                "To look around, run `make demo` in a terminal, or run `make up`, which keeps running without one."
            )
    return 0 if complete else 1


def _two_nights(stack: Stack, screen: Screen, engine: sa.Engine) -> bool:
    """Run two nights. Returns whether each district was published in both."""
    nights = Nights(stack.airflow.api, DISTRICTS, screen, stack.check)
    landing = Landing(str(stack.landing))
    screen.say("Airflow: reading the DAGs")
    nights.wait_until_parsed()
    screen.title("Night 1: everything is new")
    nights.first()
    _show_newest(engine, landing, screen)
    for district in DISTRICTS:
        stack.pass_night(district)
    screen.title("Night 2: people joined, moved, changed names, and left")
    nights.next(2)
    _show_newest(engine, landing, screen)
    published = {district: len(_published(engine, district)) for district in DISTRICTS}
    for district, times in published.items():
        screen.say(f"{district}: published {times} times")
    return all(times >= NIGHTS for times in published.values())


def _show_newest(engine: sa.Engine, landing: Landing, screen: Screen) -> None:
    from rollcall.reports.report import print_summary  # imported late, like the models below

    file = None if screen.console.is_terminal else screen.console.file
    for district in DISTRICTS:
        for run_id in _published(engine, district)[:1]:
            print_summary(engine, district, run_id, landing, file)


def _published(engine: sa.Engine, district: str) -> Sequence[str]:
    """IDs of the runs that published a district, newest first."""
    from rollcall.warehouse.ops_models import runs  # reads the schema's name from the environment, cleared in main

    query = sa.select(runs.c.run_id).where(runs.c.district_id == district, runs.c.status == "published")
    with engine.connect() as connection:
        return connection.execute(query.order_by(runs.c.started_at.desc())).scalars().all()


if __name__ == "__main__":
    sys.exit(main())
