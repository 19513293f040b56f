"""Parses `dags/roster_districts.py` as Airflow does, in its own Airflow home. Prints the seconds as a line of JSON."""

from __future__ import annotations

import json
import sys
import time

from airflow.configuration import conf
from airflow.dag_processing.dagbag import DagBag
from airflow.utils.db import initdb

from rollcall_local.airflow_env import PROJECT


def main() -> None:
    initdb()
    import rollcall.settings  # noqa: F401 - stays imported between parses

    began = time.monotonic()
    bag = DagBag(dag_folder=str(PROJECT / "dags" / "roster_districts.py"), bundle_name="dags-folder")
    seconds = time.monotonic() - began
    limits = [
        conf.getfloat("core", "dagbag_import_timeout"),
        conf.getfloat("dag_processor", "dag_file_processor_timeout"),
    ]
    sys.stdout.write(json.dumps({"seconds": seconds, "dags": len(bag.dags), "limit": min(limits)}) + "\n")


if __name__ == "__main__":
    main()
