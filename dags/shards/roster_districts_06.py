"""Shard 6 of the district DAGs, for Airflow to parse on its own. Empty unless ROLLCALL_DAG_SHARDS is above 6."""

import sys
from pathlib import Path

from rollcall.settings import shard_count

if shard_count() > 6:
    sys.path.append(str(Path(__file__).parents[1]))  # a bundle's root need not be this folder
    from roster_districts import build_shard

    globals().update(build_shard(6))
