"""Who is enrolled in a class, for districts that give an account to nobody else (`filters.require_class`)."""

from __future__ import annotations

from datetime import date

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from include.contracts import InClasses
from include.mapping.current import is_current
from include.mapping.positions import Flags, positions
from include.settings import Filters


def in_a_class(in_classes: InClasses, users: pa.ChunkedArray, filters: Filters, night: date) -> Flags:
    """For each user whether an enrollment counts: one that has begun and has not ended by that night.

    With `terms: active` its class must be going on too, see :func:`_not_going_on`.
    """
    enrollments = in_classes.enrollments
    counts = is_current(enrollments["begin_date"], enrollments["end_date"], night, filters.days_early)
    if filters.terms == "active":
        without = _not_going_on(in_classes, night, filters.days_early)
        counts = pc.and_(counts, pc.invert(pc.is_in(enrollments["class_sourced_id"], value_set=without)))
    enrolled = positions(enrollments["user_sourced_id"].filter(counts), users)
    made = np.zeros(len(users) + 1, dtype=np.bool_)
    made[enrolled] = True
    return made[:-1]


def _not_going_on(in_classes: InClasses, night: date, days_early: int) -> pa.ChunkedArray:
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
