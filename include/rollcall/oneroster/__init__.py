"""The OneRoster protocol, 1.1 and 1.2: HTTP in, typed records and columns out.

Knows HTTP and OneRoster only; what becomes of the records is for the stages to decide.
"""

from rollcall.oneroster.backoff import Budget, LocalBudget, Retry
from rollcall.oneroster.client import OneRosterClient
from rollcall.oneroster.columns import columns
from rollcall.oneroster.connection import OneRosterConnection
from rollcall.oneroster.decode import Unreadable
from rollcall.oneroster.errors import OneRosterError
from rollcall.oneroster.http import Usage
from rollcall.oneroster.paging import PageReader
from rollcall.oneroster.proof import Proof
from rollcall.oneroster.records import COLLECTIONS, Collection
from rollcall.oneroster.source import Checkpoint, Page, modified_since

__all__ = [
    "COLLECTIONS",
    "Budget",
    "Checkpoint",
    "Collection",
    "LocalBudget",
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
    "modified_since",
]
