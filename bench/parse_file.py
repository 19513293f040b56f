"""Parses `dags/roster_districts.py` and serializes its DAGs as Airflow does, in its own Airflow
home. Prints the seconds as a line of JSON."""

from __future__ import annotations

import json
import sys
import time

from airflow.configuration import conf
from airflow.dag_processing.dagbag import DagBag
from airflow.serialization.serialized_objects import DagSerialization
from airflow.utils.db import initdb

from rollcall_local.airflow_env import PROJECT


def main() -> None:
    initdb()
    import rollcall.settings  # noqa: F401 - stays imported between parses

    began = time.monotonic()
    bag = DagBag(dag_folder=str(PROJECT / "dags" / "roster_districts.py"), bundle_name="dags-folder")
    seconds = time.monotonic() - began
    began = time.monotonic()
    for dag in bag.dags.values():
        DagSerialization.to_dict(dag)
    serializing = time.monotonic() - began
    limits = [
        conf.getfloat("core", "dagbag_import_timeout"),
        conf.getfloat("dag_processor", "dag_file_processor_timeout"),
    ]
    parsed = {"seconds": seconds, "serializing": serializing, "dags": len(bag.dags), "limit": min(limits)}
    sys.stdout.write(json.dumps(parsed) + "\n")


if __name__ == "__main__":
    main()
