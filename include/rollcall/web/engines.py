"""The page's sessions in the warehouse: one small pool per warehouse, kept between requests."""

from __future__ import annotations

from functools import lru_cache

import sqlalchemy as sa

from rollcall.warehouse.session import connect


def engine_of(url: sa.URL) -> sa.Engine:
    """The engine of a warehouse."""
    return _engine(url)


@lru_cache(maxsize=4)
def _engine(url: sa.URL) -> sa.Engine:
    return connect(url)
