"""The OneRoster protocol, 1.1 and 1.2: HTTP in, typed records and columns out. Knows HTTP and OneRoster only."""

from rollcall.oneroster.client import OneRosterClient
from rollcall.oneroster.columns import columns
from rollcall.oneroster.connection import OneRosterConnection
from rollcall.oneroster.decode import UnreadableRecord
from rollcall.oneroster.errors import OneRosterError
from rollcall.oneroster.http import Budget, LocalBudget, Usage
from rollcall.oneroster.pages import Checkpoint, Page, Proof
from rollcall.oneroster.paging import PageReader
from rollcall.oneroster.records import COLLECTIONS, Collection
from rollcall.oneroster.requester import Retry
from rollcall.oneroster.source import modified_since

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
    "UnreadableRecord",
    "Usage",
    "columns",
    "modified_since",
]
