"""Which roles give an account where, and the first reason why another does not.

A role goes through the checks in the order of `LEFT_OUT_REASONS`: what the role becomes, when it ends and begins, where
it is, the district's filters. The first that holds is its reason; a role with none gives an account.
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

from rollcall.accounts.assignment import Flags, Ints, codes, distinct_lists, flags, positions, starts_of
from rollcall.landing.mapping import LEFT_OUT_REASONS, ClassMembership, MappingInput
from rollcall.settings import District, Filters
from rollcall.settings.sections import EXCLUDE, UNDECIDED

# What becomes of each school.
#
# Without `sites` every school is its own site. With it a school is mapped, `exclude`, or undecided, which leaves it
# out until somebody decides; a person with any mapped school stays.


def map_orgs_to_sites(district: District, orgs: pd.DataFrame) -> pd.DataFrame:
    """What becomes of each org: `org`, `place`, `site_id`, `site_name`.

    A site's name is the one its target has, whatever the SIS calls the school tonight.

    :param district: its sites are plain targets; a query has been answered before.
    """
    is_school = orgs["type"] == "school"
    if district.sites is None:
        site, name = orgs["sourced_id"].where(is_school), orgs["name"].where(is_school)
        place = pd.Series("site", index=orgs.index).where(is_school, "no_school")
    else:
        decision = orgs["sourced_id"].map({org: site for org, site in district.sites.map.items() if site != UNDECIDED})
        site = decision.where(decision != EXCLUDE)
        name = site.map(district.sites.names())
        # an office that nobody mapped is no school waiting for a decision
        undecided = pd.Series("undecided", index=orgs.index).where(is_school, "no_school")
        place = undecided.where(decision.isna(), "site").where(decision.isna() | (decision != EXCLUDE), "left_out")
    return pd.DataFrame({"org": orgs["sourced_id"], "place": place, "site_id": site, "site_name": name})


# Whether something with a begin and an end counts on a night.


def is_over(end_date: pa.ChunkedArray, night: date) -> pa.ChunkedArray:
    """Ended by that night: OneRoster's end dates are exclusive. Without an end date nothing ends."""
    return pc.fill_null(pc.less_equal(end_date, pa.scalar(night, pa.date32())), False)


def is_yet_to_begin(begin_date: pa.ChunkedArray, night: date, days_early: int) -> pa.ChunkedArray:
    """Not begun by that night. Without a begin date everything has begun.

    :param days_early: so many days before its begin date something counts already.
    """
    return pc.fill_null(pc.greater(begin_date, pa.scalar(night + timedelta(days=days_early), pa.date32())), False)


def is_current(begin_date: pa.ChunkedArray, end_date: pa.ChunkedArray, night: date, days_early: int) -> pa.ChunkedArray:
    """Begun and not over."""
    return pc.invert(pc.or_(is_over(end_date, night), is_yet_to_begin(begin_date, night, days_early)))


# Who is enrolled in a class, for districts that give an account to nobody else (`filters.require_class`).


def find_users_in_class(in_classes: ClassMembership, users: pa.ChunkedArray, filters: Filters, night: date) -> Flags:
    """For each user whether an enrollment counts: one that has begun and has not ended by that night.

    With `terms: active` its class must be going on too, see :func:`_inactive_classes`.
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
    """The classes that are over or have not begun.

    A class of several terms lasts from the begin of the first to the end of the last, so that nobody loses an account
    in the break between two. A term without a begin has begun, one without an end is not over, and a class whose terms
    are not known is going on.
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


#: A reason as a number: the later it is asked, the larger. -1 is no reason.
RANK = {reason: rank for rank, reason in enumerate(LEFT_OUT_REASONS)}

_ABOUT_ROLE = ("role_left_out", "role_undecided", "filtered_role")


@dataclass(frozen=True)
class EvaluatedRoles:
    """Every role that somebody holds, judged.

    :param rows: `user`, `org`, `source_role`, `site` (positions in the lists below, -1 for none), `is_staff`,
        `is_primary`, `is_primary_org`, and `reason`, a number of `RANK` or -1.
    :param orgs: `sourced_id`, `name`, in the order of `sourced_id`.
    :param source_roles: OneRoster's names of the roles; `site_ids` and `site_names` those of the sites.
    """

    rows: pd.DataFrame
    orgs: pd.DataFrame
    source_roles: list[str]
    site_ids: list[str]
    site_names: list[str | None]


@dataclass(frozen=True)
class RolesAtSites:
    """Who has a role at which site, one row for a person's roles there, in the order of users and sites.

    :param rows: `user`, `site`, `is_staff`, `is_primary`, `is_primary_org`.
    :param source_roles: per row the roles as a JSON list; `schools` the orgs they are at.
    """

    rows: pd.DataFrame
    source_roles: pa.Array
    schools: pa.Array


def evaluate_roles(district: District, people: MappingInput, users: pa.Table, night: date) -> EvaluatedRoles:
    """Every role judged.

    :param users: in the order of their sourcedIds.
    :param night: a role that has ended by then (end dates are exclusive) or has not begun gives no account.
    """
    held = people.user_roles
    user = positions(held["user_sourced_id"], users["sourced_id"])
    orgs = people.orgs.sort_by("sourced_id")
    frame = orgs.to_pandas()
    place = map_orgs_to_sites(district, frame)
    site_of_org, site_ids = codes(pa.array(place["site_id"], pa.string(), from_pandas=True))
    names = dict(zip(place["site_id"], place["site_name"], strict=True))
    org = positions(held["org_sourced_id"], orgs["sourced_id"])
    role, source_roles = codes(held["role"])
    targets = np.array([*(district.role_target(name) for name in source_roles), "undecided"], dtype=object)
    primary_org = positions(users["primary_org_sourced_id"], orgs["sourced_id"])
    rows = pd.DataFrame(
        {
            "user": user,
            "org": org,
            "source_role": role,
            "site": _at(site_of_org, org, -1),
            "is_staff": (targets == "staff")[role],
            "is_primary": flags(pc.equal(held["role_type"], "primary")),
            "is_primary_org": (primary_org[user] == org) & (org >= 0),
        }
    )
    where = np.array([*place["place"], "no_school"], dtype=object)
    reasons: dict[str, Flags] = {
        "role_left_out": np.isin(targets, ["exclude", "drop"])[role],
        "role_undecided": (targets == "undecided")[role],
        "role_ended": flags(is_over(held["end_date"], night)),
        "role_not_begun": flags(is_yet_to_begin(held["begin_date"], night, district.filters.days_early)),
        "no_school": (where == "no_school")[org],
        "school_left_out": (where == "left_out")[org],
        "school_undecided": (where == "undecided")[org],
        **_apply_filters(district.filters, rows, users, source_roles, orgs, people, night),
    }
    asked = [reason for reason in LEFT_OUT_REASONS if reason in reasons]
    rows["reason"] = np.select([reasons[reason] for reason in asked], [RANK[reason] for reason in asked], default=-1)
    # a role whose user is not in the roster is nobody's
    return EvaluatedRoles(rows[user >= 0], frame, source_roles, site_ids, [_text(names[site]) for site in site_ids])


def group_by_site(held: EvaluatedRoles) -> RolesAtSites:
    """A person's roles at one site together: the primary one decides, then staff before student."""
    rows = held.rows[held.rows["reason"] < 0]
    keys = (rows["org"], ~rows["is_staff"], ~rows["is_primary"], rows["site"], rows["user"])
    rows = rows.iloc[np.lexsort(keys)]
    spot = rows["user"].to_numpy() * len(held.site_ids) + rows["site"].to_numpy()
    first = starts_of(spot)
    made = rows.iloc[first][["user", "site", "is_staff", "is_primary"]].reset_index(drop=True)
    at_primary_org = rows["is_primary_org"].to_numpy()
    made["is_primary_org"] = np.logical_or.reduceat(at_primary_org, first) if len(first) else at_primary_org
    _, source_roles = distinct_lists(spot, rows["source_role"].to_numpy(), _json_texts(held.source_roles))
    _, schools = distinct_lists(spot, rows["org"].to_numpy(), _json_texts(list(held.orgs["sourced_id"])))
    return RolesAtSites(made, source_roles, schools)


def reasons_without_site(held: EvaluatedRoles, without: Ints) -> pd.DataFrame:
    """The reason of everybody who has no role at a site: that of the role which came furthest.

    :param without: the users.
    :returns: `user`, `reason`, `detail`: the school or the role it is about.
    """
    rows = held.rows[held.rows["user"].isin(without)]
    about_role = rows["reason"].isin([RANK[reason] for reason in _ABOUT_ROLE])
    about = rows["source_role"].where(about_role, rows["org"])
    order = np.lexsort((about, ~rows["is_primary"], ~rows["is_primary_org"], -rows["reason"], rows["user"]))
    first = rows.assign(about=about, about_role=about_role).iloc[order].drop_duplicates("user")
    roles = np.array([*held.source_roles, ""], dtype=object)
    orgs = np.array([*held.orgs["sourced_id"], ""], dtype=object)
    detail = np.where(first["about_role"], roles[_within(first["about"], roles)], orgs[_within(first["about"], orgs)])
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
    """Per filter the district has, the roles it leaves out."""
    user, org, role = (rows[name].to_numpy() for name in ("user", "org", "source_role"))
    made: dict[str, Flags] = {}
    if filters.roles:
        made["filtered_role"] = ~np.array([*(name in filters.roles for name in source_roles), False])[role]
    if filters.schools:
        made["filtered_school"] = ~np.append(flags(pc.is_in(orgs["sourced_id"], pa.array(filters.schools))), False)[org]
    if filters.grades:
        wanted = set(filters.grades)
        in_grade = _of_distinct(users["grades"], lambda text: bool(wanted & set(_listed(text))))
        made["filtered_grade"] = ~in_grade[user] & ~rows["is_staff"].to_numpy()
    if filters.require_class:
        if people.in_classes is None:
            raise ValueError("require_class needs to know who is in which class")
        made["no_class"] = ~find_users_in_class(people.in_classes, users["sourced_id"], filters, night)[user]
    return made


def _of_distinct(values: pa.ChunkedArray, holds: Callable[[str], bool]) -> Flags:
    """Whether something holds for each value, asked once for each distinct one; a null is no."""
    code, distinct = codes(values)
    return np.array([*map(holds, distinct), False])[code]


def _listed(text: str) -> list[str]:
    made = msgspec.json.decode(text)
    return [str(value) for value in made] if isinstance(made, list) else []


def _json_texts(values: list[str]) -> pa.Array:
    return pa.array([msgspec.json.encode(value).decode() for value in values], pa.string())


def _at(values: Ints, position: Ints, otherwise: int) -> Ints:
    """The values at positions, with a value for position -1."""
    return np.append(values, otherwise)[position]


def _within(position: pd.Series, values: np.ndarray) -> Ints:
    """Positions that may belong to another list, bent to stay inside this one."""
    return np.clip(position.to_numpy(), -1, len(values) - 1)


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None
