"""A district's settings: what its YAML file may say, and reading it.

Light on purpose: DAG files import this package at every parse.
"""

from rollcall.model.tables import COLLECTIONS
from rollcall.settings.base import Settings
from rollcall.settings.deployment import dag_file, require_shared_landing, service_dag_name, shard_count
from rollcall.settings.district import District, rules_digest
from rollcall.settings.files import (
    DistrictFileError,
    describe_errors,
    district_files,
    district_path,
    districts_folder,
    find_district,
    json_schema,
    load_district,
    load_districts,
)
from rollcall.settings.nights import LONGEST_RUN, Nights
from rollcall.settings.schedule import ExtractSettings, Schedule, morning_schedule, night_of
from rollcall.settings.sections import (
    DEFAULT_ROLES,
    Filters,
    Floor,
    Guards,
    PersonDecision,
    Retention,
    RoleTarget,
    Rollover,
    RuleChange,
    Sites,
)
from rollcall.settings.usernames import Usernames, UsernameSource

__all__ = [
    "COLLECTIONS",
    "DEFAULT_ROLES",
    "LONGEST_RUN",
    "District",
    "DistrictFileError",
    "ExtractSettings",
    "Filters",
    "Floor",
    "Guards",
    "Nights",
    "PersonDecision",
    "Retention",
    "RoleTarget",
    "Rollover",
    "RuleChange",
    "Schedule",
    "Settings",
    "Sites",
    "UsernameSource",
    "Usernames",
    "dag_file",
    "describe_errors",
    "district_files",
    "district_path",
    "districts_folder",
    "find_district",
    "json_schema",
    "load_district",
    "load_districts",
    "morning_schedule",
    "night_of",
    "require_shared_landing",
    "rules_digest",
    "service_dag_name",
    "shard_count",
]
