"""The OneRoster protocol, 1.1 and 1.2: HTTP in, typed records and columns out.

Knows HTTP and OneRoster only; what becomes of the records is for the stages to decide.
"""

from include.oneroster.budget import Budget, LocalBudget
from include.oneroster.client import OneRosterClient
from include.oneroster.columns import columns
from include.oneroster.connection import OneRosterConnection
from include.oneroster.decode import Unreadable
from include.oneroster.entities import COLLECTIONS, Collection
from include.oneroster.errors import OneRosterError
from include.oneroster.filters import modified_since
from include.oneroster.pages import Checkpoint, Page
from include.oneroster.paging import PageReader
from include.oneroster.proof import Proof
from include.oneroster.retry import Retry
from include.oneroster.transport import Usage

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
