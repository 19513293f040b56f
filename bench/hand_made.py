"""A typical hand-made script: requests page by page, `pandas.json_normalize`, `to_sql`."""

from __future__ import annotations

import json
import sys
import time
from typing import Any

import pandas as pd
import requests
import sqlalchemy as sa


def main() -> None:
    config = json.load(sys.stdin)
    imported_at = time.monotonic()
    form = {"grant_type": "client_credentials"}
    granted = requests.post(
        config["token_url"], form, auth=(config["client_id"], config["client_secret"]), timeout=60
    ).json()
    session = requests.Session()
    session.headers["Authorization"] = f"Bearer {granted['access_token']}"
    engine = sa.create_engine(config["warehouse"])
    requested, received = 1, 0
    for path in config["records"]:
        records: list[dict[str, Any]] = []
        while True:
            answer = session.get(
                f"{config['service']}/{path}",
                params={"limit": config["page_size"], "offset": len(records)},
                timeout=600,
            )
            answer.raise_for_status()
            requested, received = requested + 1, received + len(answer.content)
            page = next(iter(answer.json().values()))
            records.extend(page)
            if len(page) < config["page_size"]:
                break
        frame = pd.json_normalize(records, sep="_")
        for column in frame.columns[frame.map(lambda value: isinstance(value, list)).any()]:
            frame[column] = frame[column].map(json.dumps)
        frame.to_sql(path.lower(), engine, if_exists="replace", index=False, chunksize=10_000)
    result = {"imported_at": imported_at, "done_at": time.monotonic(), "requests": requested, "received": received}
    sys.stdout.write(json.dumps(result) + "\n")


if __name__ == "__main__":
    main()
