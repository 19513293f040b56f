"""The OneRoster protocol, 1.1 and 1.2: HTTP in, typed records and columns out.

Knows HTTP and OneRoster only; what becomes of the records is for the stages to decide.
"""

from include.oneroster.client import OneRosterClient
from include.oneroster.columns import columns
from include.oneroster.connection import OneRosterConnection
from include.oneroster.decode import Unreadable
from include.oneroster.entities import COLLECTIONS, Collection
from include.oneroster.errors import OneRosterError
from include.oneroster.introduction import Introduction, introduce
from include.oneroster.paging import Page, PageReader, Proof
from include.oneroster.retry import Retry
from include.oneroster.transport import Usage

__all__ = [
    "COLLECTIONS",
    "Collection",
    "Introduction",
    "OneRosterClient",
    "OneRosterConnection",
    "OneRosterError",
    "Page",
    "PageReader",
    "Proof",
    "Retry",
    "Unreadable",
    "Usage",
    "columns",
    "introduce",
]
