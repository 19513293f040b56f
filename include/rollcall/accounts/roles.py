"""Decide which roles give an account at which site, and the first reason why the others do not.

A role is checked in the order of `LEFT_OUT_REASONS`: what the role becomes, when it ends and begins, where it is, and
the district's filters. The first check that applies is its reason. A role without a reason gives an account.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, timedelta

import msgspec
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from rollcall.accounts.positions import Flags, Ints, codes, distinct_lists, flags, group_starts, positions
from rollcall.landing.mapping import LEFT_OUT_REASONS, ClassMembership, MappingInput
from rollcall.settings import District, Filters
from rollcall.settings.sections import EXCLUDE, UNDECIDED


def map_orgs_to_sites(district: District, orgs: pd.DataFrame) -> pd.DataFrame:
    """The site of each org: `org`, `place`, `site_id`, `site_name`.

    Without `sites`, every school is its own site. With it, a school is mapped, excluded, or undecided; an undecided
    school is left out until you decide. A person with any mapped school stays. A site has the name of its target, even
    if the SIS renames the school.

    :param district: its sites are plain targets; a site query has been run before.
    """
    is_school = orgs["type"] == "school"
    if district.sites is None:
        site, name = orgs["sourced_id"].where(is_school), orgs["name"].where(is_school)
        place = pd.Series("site", index=orgs.index).where(is_school, "no_school")
    else:
        decision = orgs["sourced_id"].map({org: site for org, site in district.sites.map.items() if site != UNDECIDED})
        site = decision.where(decision != EXCLUDE)
        name = site.map(district.sites.names())
        # an office without a mapping is not a school that waits for a decision
        undecided = pd.Series("undecided", index=orgs.index).where(is_school, "no_school")
        place = undecided.where(decision.isna(), "site").where(decision.isna() | (decision != EXCLUDE), "left_out")
    return pd.DataFrame({"org": orgs["sourced_id"], "place": place, "site_id": site, "site_name": name})


def is_over(end_date: pa.ChunkedArray, night: date) -> pa.ChunkedArray:
    """Ended by that night. OneRoster's end dates are exclusive; without an end date, nothing ends."""
    return pc.fill_null(pc.less_equal(end_date, pa.scalar(night, pa.date32())), False)


def is_not_begun(begin_date: pa.ChunkedArray, night: date, days_early: int) -> pa.ChunkedArray:
    """Not begun by that night. Without a begin date, everything has begun.

    :param days_early: the number of days before its begin date on which something counts.
    """
    return pc.fill_null(pc.greater(begin_date, pa.scalar(night + timedelta(days=days_early), pa.date32())), False)


def is_current(begin_date: pa.ChunkedArray, end_date: pa.ChunkedArray, night: date, days_early: int) -> pa.ChunkedArray:
    """Begun and not ended."""
    return pc.invert(pc.or_(is_over(end_date, night), is_not_begun(begin_date, night, days_early)))


def find_users_in_class(in_classes: ClassMembership, users: pa.ChunkedArray, filters: Filters, night: date) -> Flags:
    """Whether each user has a current enrollment, for `filters.require_class`.

    With `terms: active`, the class must be current too: see :func:`_inactive_classes`.
    """
    enrollments = in_classes.enrollments
    counts = is_current(enrollments["begin_date"], enrollments["end_date"], night, filters.days_early)
    if filters.terms == "active":
        without = _inactive_classes(in_classes, night, filters.days_early)
        counts = pc.and_(counts, pc.invert(pc.is_in(enrollments["class_sourced_id"], value_set=without)))
    enrolled = positions(enrollments["user_sourced_id"].filter(counts), users)
    made = np.zeros(len(users) + 1, dtype=np.bool_)
    made[enrolled] = True
    return made[:-1]


def _inactive_classes(in_classes: ClassMembership, night: date, days_early: int) -> pa.ChunkedArray:
    """The classes that have ended or have not begun.

    A class with several terms lasts from the first begin date to the last end date, so no one loses an account in a
    break. A term without a begin date has begun, a term without an end date has not ended, and a class without known
    terms is current.
    """
    sessions, class_terms = in_classes.academic_sessions, in_classes.class_terms
    at = pc.index_in(class_terms["term_sourced_id"], value_set=sessions["sourced_id"])
    spans = pa.table(
        {
            "class": class_terms["class_sourced_id"],
            "begin": pc.fill_null(sessions["start_date"].take(at), date.min),
            "end": pc.fill_null(sessions["end_date"].take(at), date.max),
        }
    )
    lasts = spans.group_by("class").aggregate([("begin", "min"), ("end", "max")])
    going_on = is_current(lasts["begin_min"], lasts["end_max"], night, days_early)
    return lasts["class"].filter(pc.invert(going_on))


#: A reason as a number, in the order of the checks; -1 is no reason.
RANK = {reason: rank for rank, reason in enumerate(LEFT_OUT_REASONS)}

_ABOUT_ROLE = ("role_left_out", "role_undecided", "filtered_role")


@dataclass(frozen=True)
class EvaluatedRoles:
    """All roles, each with the reason why it gives no account.

    :param rows: `user`, `org`, `source_role`, `site` (positions in the lists below, -1 for none), `is_staff`,
        `is_primary`, `is_primary_org`, and `reason`, a number of `RANK` or -1.
    :param orgs: `sourced_id`, `name`, in the order of `sourced_id`.
    :param source_roles: OneRoster's role names; `site_ids` and `site_names` are those of the sites.
    """

    rows: pd.DataFrame
    orgs: pd.DataFrame
    source_roles: list[str]
    site_ids: list[str]
    site_names: list[str | None]


@dataclass(frozen=True)
class RolesAtSites:
    """The roles of each person at each site, one row per person and site, in the order of users and sites.

    :param rows: `user`, `site`, `is_staff`, `is_primary`, `is_primary_org`.
    :param source_roles: per row, the roles as a JSON list; `schools` are their orgs.
    """

    rows: pd.DataFrame
    source_roles: pa.Array
    schools: pa.Array


def evaluate_roles(district: District, people: MappingInput, users: pa.Table, night: date) -> EvaluatedRoles:
    """Check all roles.

    :param users: in the order of their sourcedIds.
    :param night: a role that has ended by then (end dates are exclusive) or has not begun gives no account.
    """
    user_roles = people.user_roles
    user = positions(user_roles["user_sourced_id"], users["sourced_id"])
    orgs = people.orgs.sort_by("sourced_id")
    frame = orgs.to_pandas()
    place = map_orgs_to_sites(district, frame)
    site_of_org, site_ids = codes(pa.array(place["site_id"], pa.string(), from_pandas=True))
    names = dict(zip(place["site_id"], place["site_name"], strict=True))
    org = positions(user_roles["org_sourced_id"], orgs["sourced_id"])
    role, source_roles = codes(user_roles["role"])
    targets = np.array([*(district.role_target(name) for name in source_roles), "undecided"], dtype=object)
    primary_org = positions(users["primary_org_sourced_id"], orgs["sourced_id"])
    rows = pd.DataFrame(
        {
            "user": user,
            "org": org,
            "source_role": role,
            "site": _take(site_of_org, org, -1),
            "is_staff": (targets == "staff")[role],
            "is_primary": flags(pc.equal(user_roles["role_type"], "primary")),
            "is_primary_org": (primary_org[user] == org) & (org >= 0),
        }
    )
    where = np.array([*place["place"], "no_school"], dtype=object)
    reasons: dict[str, Flags] = {
        "role_left_out": np.isin(targets, ["exclude", "drop"])[role],
        "role_undecided": (targets == "undecided")[role],
        "role_ended": flags(is_over(user_roles["end_date"], night)),
        "role_not_begun": flags(is_not_begun(user_roles["begin_date"], night, district.filters.days_early)),
        "no_school": (where == "no_school")[org],
        "school_left_out": (where == "left_out")[org],
        "school_undecided": (where == "undecided")[org],
        **_apply_filters(district.filters, rows, users, source_roles, orgs, people, night),
    }
    checks = [reason for reason in LEFT_OUT_REASONS if reason in reasons]
    rows["reason"] = np.select([reasons[reason] for reason in checks], [RANK[reason] for reason in checks], default=-1)
    # a role without its user in the roster is dropped
    return EvaluatedRoles(rows[user >= 0], frame, source_roles, site_ids, [_text(names[site]) for site in site_ids])


def group_by_site(roles: EvaluatedRoles) -> RolesAtSites:
    """Combine a person's roles at one site. The primary role decides, then staff before student."""
    rows = roles.rows[roles.rows["reason"] < 0]
    keys = (rows["org"], ~rows["is_staff"], ~rows["is_primary"], rows["site"], rows["user"])
    rows = rows.iloc[np.lexsort(keys)]
    person_site = rows["user"].to_numpy() * len(roles.site_ids) + rows["site"].to_numpy()
    first = group_starts(person_site)
    made = rows.iloc[first][["user", "site", "is_staff", "is_primary"]].reset_index(drop=True)
    at_primary_org = rows["is_primary_org"].to_numpy()
    made["is_primary_org"] = np.logical_or.reduceat(at_primary_org, first) if len(first) else at_primary_org
    _, source_roles = distinct_lists(person_site, rows["source_role"].to_numpy(), _json_texts(roles.source_roles))
    _, schools = distinct_lists(person_site, rows["org"].to_numpy(), _json_texts(list(roles.orgs["sourced_id"])))
    return RolesAtSites(made, source_roles, schools)


def reasons_without_site(roles: EvaluatedRoles, without: Ints) -> pd.DataFrame:
    """The reason of each person without a role at a site: that of the role which passed most checks.

    :param without: the users.
    :returns: `user`, `reason`, and `detail`, the school or role that caused it.
    """
    rows = roles.rows[roles.rows["user"].isin(without)]
    about_role = rows["reason"].isin([RANK[reason] for reason in _ABOUT_ROLE])
    about = rows["source_role"].where(about_role, rows["org"])
    order = np.lexsort((about, ~rows["is_primary"], ~rows["is_primary_org"], -rows["reason"], rows["user"]))
    first = rows.assign(about=about, about_role=about_role).iloc[order].drop_duplicates("user")
    role_names = np.array([*roles.source_roles, ""], dtype=object)
    orgs = np.array([*roles.orgs["sourced_id"], ""], dtype=object)
    detail = np.where(
        first["about_role"], role_names[_clip(first["about"], role_names)], orgs[_clip(first["about"], orgs)]
    )
    reason = np.array(list(LEFT_OUT_REASONS), dtype=object)[first["reason"]]
    made = pd.DataFrame({"user": first["user"], "reason": reason, "detail": detail})
    none = np.setdiff1d(without, first["user"])
    return pd.concat([made, pd.DataFrame({"user": none, "reason": "no_role", "detail": ""})])


def _apply_filters(
    filters: Filters,
    rows: pd.DataFrame,
    users: pa.Table,
    source_roles: list[str],
    orgs: pa.Table,
    people: MappingInput,
    night: date,
) -> dict[str, Flags]:
    """Per filter of the district, the roles it leaves out."""
    user, org, role = (rows[name].to_numpy() for name in ("user", "org", "source_role"))
    made: dict[str, Flags] = {}
    if filters.roles:
        made["filtered_role"] = ~np.array([*(name in filters.roles for name in source_roles), False])[role]
    if filters.schools:
        made["filtered_school"] = ~np.append(flags(pc.is_in(orgs["sourced_id"], pa.array(filters.schools))), False)[org]
    if filters.grades:
        wanted = set(filters.grades)
        in_grade = _test_distinct(users["grades"], lambda text: bool(wanted & set(_json_list(text))))
        made["filtered_grade"] = ~in_grade[user] & ~rows["is_staff"].to_numpy()
    if filters.require_class:
        if people.in_classes is None:
            raise ValueError("require_class needs enrollments")
        made["no_class"] = ~find_users_in_class(people.in_classes, users["sourced_id"], filters, night)[user]
    return made


def _test_distinct(values: pa.ChunkedArray, predicate: Callable[[str], bool]) -> Flags:
    """Apply a predicate to each value, once per distinct value; null is false."""
    code, distinct = codes(values)
    return np.array([*map(predicate, distinct), False])[code]


def _json_list(text: str) -> list[str]:
    made = msgspec.json.decode(text)
    return [str(value) for value in made] if isinstance(made, list) else []


def _json_texts(values: list[str]) -> pa.Array:
    return pa.array([msgspec.json.encode(value).decode() for value in values], pa.string())


def _take(values: Ints, position: Ints, default: int) -> Ints:
    """The values at positions, with a default for position -1."""
    return np.append(values, default)[position]


def _clip(position: pd.Series, values: np.ndarray) -> Ints:
    """Positions clipped to a list; some belong to another one."""
    return np.clip(position.to_numpy(), -1, len(values) - 1)


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None
