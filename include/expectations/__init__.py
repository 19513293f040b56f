"""Great Expectations, which decides what is refused: rules as data, and the judge that asks it.

It sends usage statistics unless it is told not to before its first import, and logs the exceptions it catches with the
values they quote, which may be a child's name. No module of this package is imported before this one.
"""

import logging
import os

os.environ["GX_ANALYTICS_ENABLED"] = "false"
logging.getLogger("great_expectations").setLevel(logging.CRITICAL + 1)
