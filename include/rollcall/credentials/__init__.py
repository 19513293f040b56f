"""A district's connection outside Airflow's tasks: find it, compare its copies, and store it.

Airflow is the store. Its metadata database or its API is used if the environment names one; a variable
`AIRFLOW_CONN_<ID>` takes precedence, as in Airflow itself. Airflow is never imported.
"""
