"""The script many teams have: requests page by page, `pandas.json_normalize`, `to_sql`."""

from __future__ import annotations

import json
import sys
import time
from typing import Any

import pandas as pd
import requests
import sqlalchemy as sa


def main() -> None:
    told = json.load(sys.stdin)
    imported_at = time.monotonic()
    form = {"grant_type": "client_credentials"}
    granted = requests.post(told["token_url"], form, auth=(told["client_id"], told["client_secret"]), timeout=60).json()
    session = requests.Session()
    session.headers["Authorization"] = f"Bearer {granted['access_token']}"
    engine = sa.create_engine(told["warehouse"])
    asked, received = 1, 0
    for path in told["records"]:
        records: list[dict[str, Any]] = []
        while True:
            answer = session.get(
                f"{told['service']}/{path}",
                params={"limit": told["page_size"], "offset": len(records)},
                timeout=600,
            )
            answer.raise_for_status()
            asked, received = asked + 1, received + len(answer.content)
            page = next(iter(answer.json().values()))
            records.extend(page)
            if len(page) < told["page_size"]:
                break
        frame = pd.json_normalize(records, sep="_")
        for column in frame.columns[frame.map(lambda value: isinstance(value, list)).any()]:
            frame[column] = frame[column].map(json.dumps)
        frame.to_sql(path.lower(), engine, if_exists="replace", index=False, chunksize=10_000)
    made = {"imported_at": imported_at, "done_at": time.monotonic(), "requests": asked, "received": received}
    sys.stdout.write(json.dumps(made) + "\n")


if __name__ == "__main__":
    main()
