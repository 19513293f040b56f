"""What starts runs: Airflow's tasks, a terminal, a backfill, an answer to a required action."""
