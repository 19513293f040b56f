"""Writes the counts of a district's run into the run's note, where Airflow lists runs."""

from airflow.plugins_manager import AirflowPlugin


class RunNotes(AirflowPlugin):
    name = "run_notes"

    @property
    def listeners(self):
        from oneroster_provider import run_note

        return [run_note]
