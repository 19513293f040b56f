"""What a session of the warehouse is set to, whatever the server, the database or the user has as its default.

Rows travel as text (COPY), so a database with `DateStyle = 'SQL, DMY'` or another time zone would give other dates;
publication waits for its turn under a lock and then reads what is newest, which another isolation default would forbid;
and limits made for web applications end the long transactions of a night. What an administrator set to protect the data
(`default_transaction_read_only`) stays as it is.
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from include.errors import NeedsPerson
from include.warehouse_faults import ENCODING

#: The oldest PostgreSQL that works, as the driver counts it.
OLDEST = 130_000

#: Longer than any statement or transaction of a night; a task ends after four hours.
_LONGEST = "4h"

SETTINGS = {
    "DateStyle": "ISO, YMD",
    "IntervalStyle": "postgres",
    "TimeZone": "UTC",
    "extra_float_digits": "1",
    "bytea_output": "hex",
    "standard_conforming_strings": "on",
    # temporary tables come first of themselves, everything else is named with its schema
    "search_path": "public",
    "default_transaction_isolation": "read committed",
    "default_transaction_deferrable": "off",
    "statement_timeout": _LONGEST,
    "lock_timeout": _LONGEST,
    "idle_in_transaction_session_timeout": _LONGEST,
}
#: Settings that a later version brought, with that version.
_SINCE = {"idle_session_timeout": (140_000, "0"), "transaction_timeout": (170_000, _LONGEST)}

#: Arguments of the driver that go with it.
CONNECT_ARGS = {"client_encoding": "utf8"}


def set_up_sessions(engine: sa.Engine, *, require_fit: bool = True) -> None:
    """Set every new session of an engine up.

    :param require_fit: refuse a database that cannot hold a roster, `warehouse_encoding` or `warehouse_too_old`.
    """

    @sa.event.listens_for(engine, "connect")
    def _(driver: Any, _record: object) -> None:
        try:
            if require_fit:
                _require_fit(driver)
            _set_up(driver)
        except BaseException:
            driver.close()
            raise


def _set_up(driver: Any) -> None:
    version = driver.info.server_version
    later = {name: value for name, (since, value) in _SINCE.items() if version >= since}
    settings = {**SETTINGS, **later}
    # one statement, in a transaction of its own: what is set in one that is rolled back is forgotten
    calls = ", ".join(["set_config(%s, %s, false)"] * len(settings))
    driver.execute(f"SELECT {calls}", [text for setting in settings.items() for text in setting])
    driver.commit()


def _require_fit(driver: Any) -> None:
    """:raises NeedsPerson: `warehouse_too_old`, `warehouse_encoding`."""
    version = driver.info.server_version
    if version < OLDEST:
        raise NeedsPerson(
            "warehouse_too_old",
            f"The warehouse is PostgreSQL {version // 10_000}; Rollcall needs {OLDEST // 10_000} or newer.",
            remedy="Upgrade the server, or name another one in the connection `warehouse`.",
        )
    encoding = driver.info.parameter_status("server_encoding")
    if encoding != "UTF8":
        raise NeedsPerson(ENCODING.code, f"{ENCODING.message} It is {encoding}.", remedy=ENCODING.remedy)
