"""Whether a person has one primary role per org (OneRoster 1.2, `roleType`)."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc


def is_only_primary(user_roles: pa.Table) -> pa.ChunkedArray:
    """False for primary roles of which a person has another at the same org.

    All roles of a user come in one record, so those accepted tonight are all the person will have.
    """
    is_primary = pc.fill_null(pc.equal(user_roles["role_type"], "primary"), False)
    org = pc.fill_null(user_roles["org_sourced_id"], "")
    place = pc.binary_join_element_wise(user_roles["user_sourced_id"], org, "\x1f")
    counted = pc.value_counts(place.filter(is_primary))
    several = counted.field("values").filter(pc.greater(counted.field("counts"), 1))
    return pc.invert(pc.and_(is_primary, pc.is_in(place, value_set=several)))
