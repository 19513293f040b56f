"""Whether the parents of orgs and sessions end somewhere, or lead in a circle."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc


def parent_ends(rows: pa.Table, staying: pa.Table) -> pa.Array:
    """False for each row that is its own ancestor.

    Every node has one parent, so all parents are followed at once, twice as far each time. After log2(n) steps whoever
    has an end above them has arrived there, and what else is arrived at are exactly the members of circles.

    :param rows: accepted tonight; sourced_id, parent_sourced_id.
    :param staying: published rows that stay without having been received, the same columns.
    """
    names = ["sourced_id", "parent_sourced_id"]
    nodes = pa.concat_tables([rows.select(names), staying.select(names)])
    count = nodes.num_rows
    above = pc.index_in(nodes["parent_sourced_id"], value_set=nodes["sourced_id"])
    # a parent that is empty or not there is the number behind the last, which is its own parent
    reached = np.append(pc.fill_null(above, count).to_numpy(), count).astype(np.int64)
    for _ in range(max(1, count).bit_length()):
        reached = reached[reached]
    on_circle = np.zeros(count + 1, dtype=bool)
    on_circle[reached] = True
    return pa.array(~on_circle[: rows.num_rows])
