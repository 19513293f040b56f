"""Shard 9 of the district DAGs, for Airflow to parse on its own. Empty unless ROLLCALL_DAG_SHARDS is above 9."""

import os
import sys
from pathlib import Path

# Airflow parses this file every 30 seconds. Where there is one shard, it imports nothing.
if os.environ.get("ROLLCALL_DAG_SHARDS", "1") != "1":
    sys.path.append(str(Path(__file__).parents[1]))  # a bundle's root need not be this folder
    from roster_districts import build_shard

    globals().update(build_shard(9))
