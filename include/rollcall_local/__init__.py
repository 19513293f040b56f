"""Starts and stops PostgreSQL, Airflow, and the demo on one machine. Never part of the image."""
