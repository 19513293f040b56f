"""Names of the warehouse's schemas: `roster_staging`, `roster`, `roster_history`, `roster_ops`.

`ROLLCALL_SCHEMA_PREFIX` (default `roster`) changes all four at once, for a warehouse that two deployments share.
"""

from __future__ import annotations

import os
import re

from rollcall.errors import ActionRequired

PREFIX = os.environ.get("ROLLCALL_SCHEMA_PREFIX", "roster")
if not re.fullmatch(r"[a-z][a-z0-9_]{0,40}", PREFIX):
    raise ActionRequired(
        "schema_prefix",
        "ROLLCALL_SCHEMA_PREFIX must be lower-case letters, digits and _, beginning with a letter.",
        remedy="Set it to something like roster, or leave it unset.",
    )

STAGING = f"{PREFIX}_staging"
LIVE = PREFIX
HISTORY = f"{PREFIX}_history"
OPS = f"{PREFIX}_ops"
