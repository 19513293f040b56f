"""Great Expectations decides what is rejected: the suites as data, and the judge that runs them.

Validation judges each record by itself; the change set judges the roster as it will be.

Great Expectations sends usage statistics unless they are disabled before its first import. It also logs the exceptions
it catches with the values they quote, which may be a child's name. So this module turns both off, and it is imported
before every other module of the package.
"""

import logging
import os

os.environ["GX_ANALYTICS_ENABLED"] = "false"
logging.getLogger("great_expectations").setLevel(logging.CRITICAL + 1)
