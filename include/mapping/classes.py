"""Who is enrolled in a class, for districts that give an account to nobody else (`filters.require_class`)."""

from __future__ import annotations

from datetime import date
from typing import Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from include.contracts import InClasses
from include.mapping.positions import Flags, positions


def in_a_class(in_classes: InClasses, users: pa.ChunkedArray, terms: Literal["active", "all"], night: date) -> Flags:
    """For each user whether an enrollment counts: one that has not ended by that night (end dates are exclusive).

    :param terms: with `active` the class must have a term that is not over either; a class whose terms are not known
        is not over, and neither is one that begins later.
    """
    enrollments = in_classes.enrollments
    counts = pc.invert(_is_over(enrollments["end_date"], night))
    if terms == "active":
        counts = pc.and_(counts, pc.invert(pc.is_in(enrollments["class_sourced_id"], _classes_over(in_classes, night))))
    enrolled = positions(enrollments["user_sourced_id"].filter(counts), users)
    made = np.zeros(len(users) + 1, dtype=np.bool_)
    made[enrolled] = True
    return made[:-1]


def _classes_over(in_classes: InClasses, night: date) -> pa.ChunkedArray:
    """The classes all of whose terms are over."""
    sessions, class_terms = in_classes.academic_sessions, in_classes.class_terms
    over = sessions["sourced_id"].filter(_is_over(sessions["end_date"], night))
    is_over = pc.is_in(class_terms["term_sourced_id"], over)
    going_on = class_terms["class_sourced_id"].filter(pc.invert(is_over))
    classes = class_terms["class_sourced_id"].filter(is_over)
    return classes.filter(pc.invert(pc.is_in(classes, going_on)))


def _is_over(end_date: pa.ChunkedArray, night: date) -> pa.ChunkedArray:
    return pc.fill_null(pc.less_equal(end_date, pa.scalar(night, pa.date32())), False)
