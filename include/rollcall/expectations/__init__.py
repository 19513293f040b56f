"""Great Expectations, which decides what is refused: the suites as data, and the judge that asks it.

Validate asks it about each record by itself, merge about the roster as it will be; the suites stand here because
the two stages never import each other.

It sends usage statistics unless it is told not to before its first import, and logs the exceptions it catches with the
values they quote, which may be a child's name. No module of this package is imported before this one.
"""

import logging
import os

os.environ["GX_ANALYTICS_ENABLED"] = "false"
logging.getLogger("great_expectations").setLevel(logging.CRITICAL + 1)
