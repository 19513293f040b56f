"""History of rows whose owner is missing: they end with it and begin again with it."""

from __future__ import annotations

from tests.history.conftest import delta_of


def test_an_enrollment_begins_again_when_its_missing_person_returns_changed(nights, roster) -> None:
    """The enrollment itself was sent every night. Found by tests/whole."""
    nights.publish(roster("ada", "ben"))
    without_ada = roster("ada", "ben")
    without_ada["users"] = [row for row in without_ada["users"] if row["sourced_id"] != "ada"]
    nights.publish(without_ada)
    renamed = roster("ada", "ben")
    renamed["users"][0]["family_name"] = "Married"
    nights.publish(delta_of(renamed, "ada"), delta=True)

    open_rows = "SELECT string_agg(sourced_id, ' ' ORDER BY sourced_id) FROM roster_history.{} WHERE _valid_to IS NULL"
    assert nights.scalar(open_rows.format("users")) == "ada ben"
    assert nights.scalar(open_rows.format("enrollments")) == "e-ada e-ben"
    assert nights.scalar("SELECT count(*) FROM roster_history.enrollments WHERE sourced_id = 'e-ada'") == 2
