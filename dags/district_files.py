"""Reports every mistake in district files as one Airflow import error, each with its file, line, and remedy.

This is a separate file on purpose. Raised in `roster_districts.py`, the error would remove every district's DAG.
"""

from rollcall.settings import describe_errors, load_districts

errors = load_districts()[1]
if errors:
    count = f"{len(errors)} district file(s) cannot be read"
    raise ImportError(f"{count}. Their DAGs are missing; all others run.\n{describe_errors(errors)}")
