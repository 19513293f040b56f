"""Reports district files that cannot be read as one Airflow import error with file, line, and remedy.

This is a separate file on purpose. Raised in `roster_districts.py`, the error would remove every district's DAG.
"""

from rollcall.settings import load_districts

errors = load_districts()[1]
if errors:
    lines = "\n".join(f"  {error}" for error in errors)
    raise ImportError(
        f"{len(errors)} district file(s) cannot be read; their DAGs are missing, all others run:\n{lines}"
    )
