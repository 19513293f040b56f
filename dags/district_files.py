"""District files that cannot be read, as one Airflow import error that says file, line and remedy.

A file of its own: were it raised where the DAGs are made, one broken district would take all others with it.
"""

from rollcall.settings import load_districts

broken = load_districts()[1]
if broken:
    told = "\n".join(f"  {error}" for error in broken)
    raise ImportError(f"{len(broken)} district file(s) cannot be read; their DAGs are missing, all others run:\n{told}")
