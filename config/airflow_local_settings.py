"""Airflow imports this at every start; here it is where heavy libraries are loaded once instead of once per task.

A task that imports pandas, Great Expectations, and Rollcall takes 7 s to start, and 0.1 s in a process forked from one
that has them already. Tasks are forked by the scheduler (LocalExecutor) and by Celery's workers. Airflow finds this
file in `$AIRFLOW_HOME/config`, as in an Astro image, or on PYTHONPATH, as the local launcher sets it.
"""

import os
import sys
import warnings

# Arrow reads it when it is imported: what a stage frees goes back to the system (include/rollcall/runtime/memory.py)
os.environ.setdefault("ARROW_DEFAULT_MEMORY_POOL", "system")

# Airflow's own search for DAG files warns of this in the log of every task; nobody who reads the log can change it.
warnings.filterwarnings("ignore", message="GitWildMatchPattern", category=DeprecationWarning)

if {"scheduler", "worker"} & set(sys.argv[1:]):
    import airflow.dag_processing.dagbag
    import airflow.providers.standard.decorators.python
    import airflow.sdk.execution_time.task_runner  # noqa: F401
    import jinja2.ext  # noqa: F401

    from rollcall.orchestration import preload

    preload.prepare()

    if os.environ.get("ROLLCALL_LANDING", "").startswith("s3:"):
        import s3fs  # noqa: F401 - 0.8 s

#: Nothing here replaces a setting of Airflow's.
__all__: list[str] = []
