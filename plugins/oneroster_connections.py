"""Makes the Test button work for OneRoster and webhook connections that were stored without a port.

Airflow's form does not show a port for them, so none is stored, and the Test button of Airflow 3.3.2 then refuses the
stored secret: it compares the missing port with 0. Airflow imports this file in every process. Only the API server asks
for `fastapi_apps`, so only there the listener is added.
"""

from airflow.plugins_manager import AirflowPlugin


class OneRosterConnections(AirflowPlugin):
    name = "oneroster_connections"

    @property
    def fastapi_apps(self):
        from oneroster_provider.port import read_missing_port_as_zero

        read_missing_port_as_zero()
        return []
