"""What starts and stops things on one machine: PostgreSQL, Airflow, the demo. An image has no use for it."""
