"""Which school is which site, written into the district's file."""

from __future__ import annotations

from collections.abc import Mapping

from include.deciding.file import DistrictFile, Edit
from include.deciding.schools import School, Schools
from include.deciding.yaml_text import with_setting
from include.settings.sites import LEAVE_OUT, UNDECIDED


def decided(school: School) -> str:
    """What the file says of a school: a site's id, `leave_out` or `undecided`."""
    return school.site_id or (LEAVE_OUT if school.state == "leave_out" else UNDECIDED)


def decide(file: DistrictFile, schools: Schools, decisions: Mapping[str, str]) -> Edit:
    """The file with these decisions; what is decided so already stays untouched.

    :param decisions: sourcedId to a site's id, `leave_out` or `undecided`.
    :raises NeedsPerson: `no_sites`.
    """
    schools.require_targets()
    changed = [
        school for school in schools.schools if decisions.get(school.sourced_id, decided(school)) != decided(school)
    ]

    def change(text: str) -> str:
        for school in changed:
            path = ("sites", "map", school.sourced_id)
            text = with_setting(text, path, decisions[school.sourced_id], remark=school.name)
        return text

    return file.edited(change)
