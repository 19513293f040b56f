"""Whether enrollments lie inside the terms of their class."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

#: End dates are exclusive in OneRoster and inclusive in many a roster: one day is no difference.
_A_DAY = pa.scalar(np.timedelta64(1, "D").astype("timedelta64[s]"))


def is_inside_session(enrollments: pa.Table, class_terms: pa.Table, sessions: pa.Table) -> pa.ChunkedArray:
    """True where no date of the enrollment lies outside, or where there is nothing to compare it with.

    A class of several terms lasts from the begin of the first to the end of the last.

    :param class_terms: as they will be; class_sourced_id, term_sourced_id.
    :param sessions: as they will be; sourced_id, start_date, end_date.
    """
    at = pc.index_in(class_terms["term_sourced_id"], value_set=sessions["sourced_id"])
    spans = pa.table(
        {
            "class": class_terms["class_sourced_id"],
            "start": sessions["start_date"].take(at),
            "end": sessions["end_date"].take(at),
        }
    )
    lasts = spans.group_by("class").aggregate([("start", "min"), ("end", "max")])
    of_class = pc.index_in(enrollments["class_sourced_id"], value_set=lasts["class"])
    last_day = pc.add(lasts["end_max"].cast(pa.timestamp("s")), _A_DAY).cast(pa.date32())
    begins = pc.greater_equal(enrollments["begin_date"], lasts["start_min"].take(of_class))
    ends = pc.less_equal(enrollments["end_date"], last_day.take(of_class))
    return pc.and_(pc.fill_null(begins, True), pc.fill_null(ends, True))
