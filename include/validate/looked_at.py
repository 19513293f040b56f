"""What rules get to see of a table."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pyarrow as pa

from include.expectations.rules import VERSION, Rule, Version
from include.validate.typed import Typed


def looked_at(typed: Typed, facts: Mapping[str, pa.Array], rules: list[Rule], version: Version) -> pa.Table:
    """The columns these rules look at.

    Beside the table's own columns there are `<column>_is_readable` and `<column>_is_said` for each that is no text, and
    the facts the caller computed, and the version that all rows came in.
    """
    wanted = dict.fromkeys(column for rule in rules for column in rule.columns())
    columns: dict[str, Any] = {}
    for name in wanted:
        if name in facts:
            columns[name] = facts[name]
        elif name == VERSION:
            columns[name] = pa.repeat(pa.scalar(version), typed.rows.num_rows).dictionary_encode()
        elif name.endswith("_is_readable"):
            columns[name] = typed.readable(name.removesuffix("_is_readable"))
        elif name.endswith("_is_said"):
            columns[name] = typed.said[name.removesuffix("_is_said")]
        else:
            columns[name] = typed.rows.column(name)
    return pa.table(columns)
