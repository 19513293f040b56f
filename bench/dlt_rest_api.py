"""dlt's `rest_api` source into PostgreSQL at its documented best settings. Runs in the environment that has dlt.

dlt's performance guide recommends parallelized resources, workers for each step, large files, and no tables for nested
lists. CSV and Parquet are its fast formats for PostgreSQL.

With a `strategy`, it does what a night does as far as dlt can: it merges by primary key, or keeps a type 2 history
(`scd2`). With `since`, it requests what was modified since (`incremental` on dateLastModified). Then scd2 needs the
merge key, so that records that were not received are not retired.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import time
from typing import Any

import dlt
from dlt.sources.helpers import requests
from dlt.sources.rest_api import rest_api_source

_SETTINGS = {
    "RUNTIME__DLTHUB_TELEMETRY": "false",
    "RUNTIME__LOG_LEVEL": "ERROR",
    "EXTRACT__WORKERS": "5",
    "NORMALIZE__WORKERS": "2",
    "LOAD__WORKERS": "4",
    "DATA_WRITER__BUFFER_MAX_ITEMS": "10000",
    "DATA_WRITER__FILE_MAX_ITEMS": "100000",
    "NORMALIZE__DATA_WRITER__DISABLE_COMPRESSION": "true",
}


def main() -> None:
    config = json.load(sys.stdin)
    imported_at = time.monotonic()
    os.environ |= _SETTINGS
    counts = {"requests": 0, "received": 0}

    session = requests.Client().session
    send = session.send

    def counting(*arguments: Any, **options: Any) -> Any:
        answer = send(*arguments, **options)
        counts["requests"] += 1
        counts["received"] += len(answer.content)
        return answer

    session.send = counting
    credentials = {"client_id": config["client_id"], "client_secret": config["client_secret"]}
    source = rest_api_source(
        {
            "client": {
                "base_url": config["service"],
                "session": session,
                "auth": {
                    "type": "oauth2_client_credentials",
                    "access_token_url": config["token_url"],
                    "session": session,
                    **credentials,
                },
                "paginator": {"type": "offset", "limit": config["page_size"], "total_path": None},
            },
            "resource_defaults": {"parallelized": True, "max_table_nesting": 0, **_disposition(config)},
            "resources": [
                {"name": path, "endpoint": _endpoint(path, config.get("since"))} for path in config["records"]
            ],
        }
    )
    with tempfile.TemporaryDirectory(prefix="rollcall-bench-") as folder:
        pipeline = dlt.pipeline(
            "bench",
            pipelines_dir=config.get("state") or folder,
            destination=dlt.destinations.postgres(config["warehouse"]),
            dataset_name="roster",
        )
        pipeline.run(source, loader_file_format=config["file_format"])
        done_at = time.monotonic()
        extracted = pipeline.last_trace.last_extract_info.metrics
    # the counts of the normalize step are too large when it merges
    loaded = sum(
        table.items_count
        for steps in extracted.values()
        for step in steps
        for name, table in step["table_metrics"].items()
        if not name.startswith("_")
    )
    sys.stdout.write(json.dumps({"imported_at": imported_at, "done_at": done_at, "rows": loaded, **counts}) + "\n")


def _disposition(config: dict[str, Any]) -> dict[str, Any]:
    strategy = config.get("strategy")
    if strategy is None:
        return {"write_disposition": "replace"}
    key = "merge_key" if strategy == "scd2" else "primary_key"
    keys = {key: "sourcedId"} if strategy != "scd2" or config.get("since") else {}
    return {"write_disposition": {"disposition": "merge", "strategy": strategy}, **keys}


def _endpoint(path: str, since: str | None) -> dict[str, Any]:
    endpoint: dict[str, Any] = {"path": path, "data_selector": path}
    if since:
        endpoint["params"] = {"filter": "dateLastModified>'{incremental.start_value}'"}
        endpoint["incremental"] = {"cursor_path": "dateLastModified", "initial_value": since}
    return endpoint


if __name__ == "__main__":
    main()
