"""The manifest of the mapping stage: the change set with its holds, and what publishing it did."""

from __future__ import annotations

from datetime import datetime
from typing import ClassVar, Literal

import pyarrow as pa

from rollcall.landing.manifests import Contract, Part
from rollcall.landing.pull import Mode
from rollcall.landing.validated import Finding, accepted_schema
from rollcall.model.tables import Table

#: What a hold withholds of a collection.
HoldKind = Literal["removals", "updates", "usernames", "identities", "additions"]


#: The one row of an `additions` hold: it covers all first rows of a collection.
ALL_NEW_ROWS = "*"


class TableCounts(Contract, frozen=True):
    """The row counts of a run for one table. `published` rows were live before; `held` rows are not changed."""

    published: int = 0
    received: int = 0
    rejected: int = 0
    added: int = 0
    changed: int = 0
    unchanged: int = 0
    returned: int = 0
    missing: int = 0
    removed: int = 0
    held: int = 0

    def touched(self) -> int:
        """Rows whose content or life changed."""
        return self.added + self.changed + self.returned + self.removed


class Hold(Contract, frozen=True):
    """Rows withheld from publication until a person decides (rule 4).

    :param kind: what is withheld of the collection.
    :param school: the org it concerns; empty for the whole collection.
    :param rows: the number of rows it names; `published` is the number of published rows of the same kind.
    :param looks_like: the cause that the numbers suggest, in words; `looks_not_like`: the causes they exclude.
    :param is_announced: first absences. They are recorded as missing and stay published, so nothing is withheld yet.
        The second complete pull will hold their removal.
    """

    collection: str
    kind: HoldKind
    school: str = ""
    rows: int = 0
    published: int = 0
    looks_like: str = ""
    looks_not_like: str = ""
    is_announced: bool = False


class ChangeSet(Contract, frozen=True):
    """The manifest of the map stage: the changes of records and accounts, judged by the guard.

    :param generation: the district's generation when the change set was built; publish refuses if it has changed.
    :param full_required: why the next night must be a full pull; empty if it need not be.
    :param parts: per table, the rows that change, in `change_schema`.
    :param digests: per table, unchanged rows with a new digest, in `digest_schema`.
    :param person_findings: findings about single people, in `PERSON_FINDINGS_SCHEMA`.
    :param held_rows: the rows each hold names, in `HELD_ROWS_SCHEMA`.
    :param came_back: rows of open holds whose reason is gone, in `RESOLVED_HOLD_ROWS_SCHEMA`.
    :param coverage: people received, with a site, a username, an account.
    :param decisions: a digest of the hold decisions when the change set was built; publish refuses if they have
        changed.
    :param is_full_mapping: whether all people were mapped. Then `expected_accounts` are all accounts after publication,
        with the columns `COMPARED_ACCOUNT_COLUMNS`.
    """

    STAGE: ClassVar[str] = "map"

    district: str
    pull_id: str
    run_id: str
    as_of: datetime
    mode: Mode
    generation: int
    rules_digest: str
    parts: dict[str, list[Part]]
    counts: dict[str, TableCounts]
    digests: dict[str, list[Part]] = {}
    rejects: list[Part] = []
    left_out: list[Part] = []
    person_findings: list[Part] = []
    findings: list[Finding] = []
    holds: list[Hold] = []
    held_rows: list[Part] = []
    came_back: list[Part] = []
    coverage: dict[str, int] = {}
    full_required: str = ""
    decisions: str = ""
    is_full_mapping: bool = False
    expected_accounts: list[Part] = []


class Published(Contract, frozen=True):
    """The result of a publication; small enough for XCom, the ledger, and the asset event.

    :param status: `already_published`: this pull was published before, and nothing was done. `paused`: the change set
        was built, but nothing is published until a person resumes. `replayed`: only history was written.
    :param why: the reason, in words, if nothing was published.
    """

    district: str
    run_id: str
    pull_id: str
    status: Literal["published", "already_published", "dry_run", "paused", "replayed"]
    generation: int
    counts: dict[str, TableCounts]
    accounts: int
    left_out: int
    holds: list[Hold] = []
    why: str = ""

    @property
    def exit_code(self) -> int:
        """0 if done; 3 if something is held or publication is paused. Announced holds withhold nothing."""
        is_held = any(not hold.is_announced for hold in self.holds)
        return 3 if is_held or self.status == "paused" else 0


def change_schema(table: Table) -> pa.Schema:
    """The schema of changed rows: the row, its digest, its change, and the reason.

    `_change` is added, changed, returned (was removed), found (was missing, unchanged), missing, removed, or confirmed
    (was removed with its owner, and is now removed on its own). `_changed_fields` lists the columns that differ,
    comma-separated. Rows `missing`, `removed`, and `confirmed` have the key only.
    """
    extra = [
        ("_digest", pa.int64()),
        ("_change", pa.string()),
        ("_reason", pa.string()),
        ("_changed_fields", pa.string()),
    ]
    return pa.schema([*accepted_schema(table), *(pa.field(name, kind) for name, kind in extra)])


def digest_schema(table: Table) -> pa.Schema:
    """The key of a row and its digest."""
    return pa.schema([*((name, pa.string()) for name in table.key), ("_digest", pa.int64())])


#: The columns of accounts that are compared with the mapping after a publication.
COMPARED_ACCOUNT_COLUMNS = ("user_sourced_id", "site_id", "account_id", "role", "is_primary_site", "username", "email")


#: The rows of a hold: which hold (collection, kind, school), which row (table and its key as one text, see
#: `rollcall.model.keys.row_keys`), its change and the cause, its school, and `about`, the last thing a decision depends
#: on: a digest of the person that a record became.
HELD_ROWS_SCHEMA = pa.schema(
    [
        *((name, pa.string()) for name in ("collection", "kind", "school", "table_name", "row_key", "change")),
        *((name, pa.string()) for name in ("reason", "row_school", "about")),
    ]
)


#: Rows of living holds whose reason is gone.
RESOLVED_HOLD_ROWS_SCHEMA = pa.schema([(name, pa.string()) for name in ("hold_id", "table_name", "row_key")])


#: Rows of living holds, as the guard sees them; approved ones may flow.
OPEN_HOLD_ROWS_SCHEMA = pa.schema(
    [
        *((name, pa.string()) for name in ("hold_id", "collection", "kind", "school", "table_name", "row_key")),
        *((name, pa.string()) for name in ("change", "reason", "about")),
        ("is_approved", pa.bool_()),
    ]
)
