"""The page "Rosters": what a person asks and decides, without a terminal.

A FastAPI application with Jinja2 templates on the same functions as the command line. Airflow's API server mounts it at
`/rosters`; everything it needs of Airflow comes through :class:`rollcall.web.access.Access`.
"""
