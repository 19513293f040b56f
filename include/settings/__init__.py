"""A district's settings: what its YAML file may say, and reading it.

Light on purpose: DAG files import this package at every parse.
"""

from include.settings.base import Settings
from include.settings.district import District, rules_digest
from include.settings.filters import Filters
from include.settings.guards import Floor, Guards, Rollover
from include.settings.nights import Nights
from include.settings.people import PersonDecision
from include.settings.reading import (
    district_files,
    districts_folder,
    find_district,
    json_schema,
    load_district,
    load_districts,
)
from include.settings.retention import Retention
from include.settings.roles import DEFAULT_ROLES, RoleTarget
from include.settings.rules import RuleChange
from include.settings.schedule import Politeness, Schedule, morning_schedule, night_of
from include.settings.sites import Sites
from include.settings.usernames import Usernames, UsernameSource
from include.tables import COLLECTIONS

__all__ = [
    "COLLECTIONS",
    "DEFAULT_ROLES",
    "District",
    "Filters",
    "Floor",
    "Guards",
    "Nights",
    "PersonDecision",
    "Politeness",
    "Retention",
    "RoleTarget",
    "Rollover",
    "RuleChange",
    "Schedule",
    "Settings",
    "Sites",
    "UsernameSource",
    "Usernames",
    "district_files",
    "districts_folder",
    "find_district",
    "json_schema",
    "load_district",
    "load_districts",
    "morning_schedule",
    "night_of",
    "rules_digest",
]
