"""Shows the page "Rosters" in Airflow.

Airflow imports this file in every process. The application is built only when the API server asks for it: importing
FastAPI takes 2.6 s, which each task on Kubernetes would pay.
"""

from airflow.plugins_manager import AirflowPlugin


class Rosters(AirflowPlugin):
    name = "rosters"
    external_views = [  # noqa: RUF012 - Airflow reads it as a class attribute
        {"name": "Rosters", "href": "/rosters/", "destination": "nav", "url_route": "rosters", "nav_top_level": True},
        {"name": "Roster", "href": "/rosters/dags/{DAG_ID}", "destination": "dag", "url_route": "roster"},
    ]

    @property
    def fastapi_apps(self):
        from oneroster_provider.rosters import create_rosters

        return [{"app": create_rosters(), "url_prefix": "/rosters", "name": "Rosters"}]

    @property
    def fastapi_root_middlewares(self):
        from oneroster_provider.rosters import AddSlash

        return [{"middleware": AddSlash, "name": "Rosters without a slash"}]
