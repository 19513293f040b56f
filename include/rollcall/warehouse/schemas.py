"""Names of the warehouse's schemas: `roster_staging`, `roster`, `roster_history`, `roster_ops`.

`ROLLCALL_SCHEMA_PREFIX` (default `roster`) changes all four, for two deployments in one warehouse.
"""

from __future__ import annotations

import os
import re

from rollcall.errors import ActionRequired

PREFIX = os.environ.get("ROLLCALL_SCHEMA_PREFIX", "roster")
if not re.fullmatch(r"[a-z][a-z0-9_]{0,40}", PREFIX):
    raise ActionRequired(
        "schema_prefix",
        "ROLLCALL_SCHEMA_PREFIX must start with a letter and contain only lowercase letters, digits, and _.",
        remedy="Set it to a name such as roster, or leave it unset.",
    )

STAGING = f"{PREFIX}_staging"
LIVE = PREFIX
HISTORY = f"{PREFIX}_history"
OPS = f"{PREFIX}_ops"
