"""What one stage hands the next: small values and the names of files, never rows.

A task returns a :class:`PullRef`; everything else it made lies in the pull's folder of the landing zone, told by the
stage's manifest, which is one of the other classes here. So any stage can be run again alone from what the stage
before it left.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, ClassVar, Literal, TypeVar

import msgspec
import pyarrow as pa

from rollcall.landing.zone import Landing, PullFolder
from rollcall.model.tables import MADE_IN_VALIDATE, Kind, Table

#: `full` asks for everything; `delta` for what was modified since the last time, orgs and academic sessions in full.
Mode = Literal["full", "delta"]

#: Why a record was refused or is worth a look; only `critical` refuses.
Severity = Literal["critical", "warning", "info"]


#: What a run is: `sync` pulls, `remap` maps again what is published, `replay` writes a past night anew from its pull,
#: `refetch` asks for what was modified since a night whose pull is gone, `rollback` gives readers an earlier roster
#: back.
RunKind = Literal["sync", "remap", "replay", "refetch", "rollback"]

#: What a hold withholds of a collection.
HoldKind = Literal["removals", "updates", "usernames", "identities", "additions"]

#: The one row a hold of `additions` names: all first rows of a collection, whichever they are.
FIRST_ROWS = "*"


class Contract(msgspec.Struct, frozen=True, kw_only=True):
    """Values between stages: immutable, written to JSON and back without loss.

    A contract that is a stage's manifest names that stage.
    """

    STAGE: ClassVar[str]


Made = TypeVar("Made", bound=Contract)


class PullRef(Contract, frozen=True):
    """Which pull a run works on, and to what end: the only thing that goes through XCom.

    :param pull_id: of a replay the newest pull of its night.
    """

    district: str
    pull_id: str
    run_id: str
    kind: RunKind = "sync"

    def folder(self, landing: Landing) -> PullFolder:
        return landing.pull(self.district, self.pull_id)


class Part(Contract, frozen=True):
    """One Parquet file of the landing zone."""

    name: str
    rows: int
    sha256: str


class Proof(Contract, frozen=True):
    """How it is known that a collection is complete (rule 1), or why it is not.

    :param kind: `total` matched, an `empty_page` after the last, the `link_end` of a chain, or `unproven`.
    :param expected: the total the provider stated, if any.
    :param received: rows received, duplicates included; `unique` without them.
    :param rows_per_page: the largest page received, beside the number of pages: "5,000 of 9,871" reads as truncation.
    """

    kind: Literal["total", "empty_page", "link_end", "unproven"]
    expected: int | None
    received: int
    unique: int
    pages: int
    rows_per_page: int
    why: str = ""

    @property
    def proven(self) -> bool:
        return self.kind != "unproven"


class LandedCollection(Contract, frozen=True):
    """One collection of a pull, as it came.

    :param parts: per table (`users`, `user_roles`, …) the files.
    :param since: only records modified since then were asked for; None: the whole collection.
    :param unreadable: records that could not be decoded; they are in the pull's rejects.
    :param unidentified: those of them whose sourcedId could not be read: then the collection proves no absence tonight.
    :param not_landed: people who have no other role than those that stay outside (`do_not_land`).
    """

    collection: str
    parts: dict[str, list[Part]]
    proof: Proof
    since: datetime | None = None
    unreadable: int = 0
    unidentified: int = 0
    not_landed: int = 0

    def rows(self, table: str) -> int:
        return sum(part.rows for part in self.parts.get(table, []))


class Usage(Contract, frozen=True):
    """What a pull cost the provider. Requests count tokens too; peak hours are the district's own."""

    requests: int = 0
    requests_in_peak: int = 0
    token_requests: int = 0
    bytes_received: int = 0
    most_at_once: int = 0
    seconds_waited: float = 0.0


class Pull(Contract, frozen=True):
    """The manifest of extract.

    :param as_of: the instant before the first request; all order in time is by it. A remap asks nobody: it has that of
        the roster it maps again.
    :param largest_limit: rows per page the provider accepts at most, if this pull found that it refuses more.
    :param is_by_own_clock: whether `as_of` is by the machine's clock alone, because the warehouse did not answer.
    :param kind: what the run that made it is: a `remap` brings nothing, a `refetch` moves no watermark.
    """

    STAGE: ClassVar[str] = "extract"

    district: str
    pull_id: str
    run_id: str
    as_of: datetime
    mode: Mode
    version: Literal["1.1", "1.2"]
    base_url: str
    collections: list[LandedCollection]
    rejects: list[Part] = []
    usage: Usage = msgspec.field(default_factory=Usage)
    kind: RunKind = "sync"
    largest_limit: int | None = None
    is_by_own_clock: bool = False


class Finding(Contract, frozen=True):
    """One rule's count in one collection of one run."""

    collection: str
    rule: str
    severity: Severity
    message: str
    count: int


class ValidatedCollection(Contract, frozen=True):
    """One collection after validation.

    :param parts: accepted rows per table, typed, tombstones included (`status` `tobedeleted`).
    :param received: records received, unreadable ones included.
    :param rejected: how many records were refused, unreadable ones included; they lie in the pull's rejects.
    :param proves_absence: a complete full pull of which every sourcedId could be read.
    """

    collection: str
    parts: dict[str, list[Part]]
    received: int
    accepted: int
    tombstones: int
    rejected: int
    proves_absence: bool


class Validated(Contract, frozen=True):
    """The manifest of validate; `rejects` holds those of extract too.

    :param rules: a digest of the rules that judged; where they are others today, a replay has the pull judged anew.
    """

    STAGE: ClassVar[str] = "validate"

    collections: list[ValidatedCollection]
    rejects: list[Part]
    findings: list[Finding]
    rules: str = ""


class TableCounts(Contract, frozen=True):
    """What a run did, or would do, to one table. `published` were live before; `held` rows are left as they were."""

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
    """Something withheld from publication until a person decides (rule 4).

    :param kind: what is withheld of the collection.
    :param school: the org it is about; empty for the whole collection.
    :param rows: how many rows it names; `published` is what readers have of the same.
    :param looks_like: the cause the numbers speak for, in words; `looks_not_like` the causes they speak against.
    :param is_announced: first absences: they are recorded as missing, readers lose nothing by that, so nothing is
        withheld yet; the second complete pull will hold their removal.
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
    """The manifest of map_roster: merge's changes, extended by map with accounts, judged by the guard.

    :param generation: the district's generation merge saw; publish refuses if it has moved.
    :param full_required: why the next night has to be a full pull; empty if it need not.
    :param parts: per table the rows that change, in the schema :func:`change_schema`.
    :param digests: per table the rows that are as they were under another digest: key and the new one, in
        :func:`digest_schema`.
    :param person_findings: what is found about single people, in `PERSON_FINDINGS_SCHEMA`.
    :param held_rows: the rows each hold names, in `HELD_ROWS_SCHEMA`.
    :param came_back: rows that living holds name and that tonight's pull brought again, in `CAME_BACK_SCHEMA`.
    :param coverage: people received, with a site, a username, an account.
    :param decisions: a digest of what people had decided about holds when this was worked out; publish refuses if they
        have decided otherwise since.
    :param is_everybody_mapped: whether mapping was asked about everybody; then `expected_accounts` are all accounts as
        they have to be after this, the columns `COMPARED_OF_ACCOUNTS`.
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
    is_everybody_mapped: bool = False
    expected_accounts: list[Part] = []


class Published(Contract, frozen=True):
    """What a publication did; small enough for XCom, the ledger and the asset event.

    :param status: `already_published` when this very pull was published before: nothing was done. `paused`: all is
        worked out and nothing published, until somebody resumes. `replayed`: history was written, readers' tables not.
    :param why: in words, where something else than a publication came of it.
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
        """0 done, 3 published but something is held, or all of it because publication is paused.

        What is only announced keeps nothing back.
        """
        is_held = any(not hold.is_announced for hold in self.holds)
        return 3 if is_held or self.status == "paused" else 0


def save(folder: PullFolder, made: Contract) -> None:
    """Write a stage's manifest."""
    folder.write_manifest(made.STAGE, to_json(made))


def load(folder: PullFolder, kind: type[Made]) -> Made:
    """Read a stage's manifest.

    :raises RollcallError: `not_landed` when the stage has not finished for this pull.
    """
    return from_json(folder.read_manifest(kind.STAGE), kind)


def to_json(made: Contract) -> dict[str, Any]:
    """A contract as plain values, for XCom and manifests."""
    plain: dict[str, Any] = msgspec.to_builtins(made)
    return plain


def from_json(plain: dict[str, Any], kind: type[Made]) -> Made:
    return msgspec.convert(plain, kind)


_ARROW: dict[Kind, pa.DataType] = {
    "text": pa.string(),
    "json": pa.string(),
    "date": pa.date32(),
    "timestamp": pa.timestamp("us", tz="UTC"),
    "boolean": pa.bool_(),
    "integer": pa.int64(),
}


def landed_schema(table: Table) -> pa.Schema:
    """What extract writes: everything as text, so that validate can judge a date that is none."""
    made_later = MADE_IN_VALIDATE.get(table.name, ())
    return pa.schema([(name, pa.string()) for name in table.names if name not in made_later])


def accepted_schema(table: Table) -> pa.Schema:
    """What validate writes and merge reads: the table's own types."""
    return pa.schema([(column.name, _ARROW[column.kind]) for column in table.columns])


def change_schema(table: Table) -> pa.Schema:
    """What merge and map write and publish reads: the row, its digest, what happens to it and because of what.

    `_change` is added, changed, returned (it was removed), found (it was missing, and is as it was), missing, removed,
    confirmed (it was removed with its owner, and goes by itself now). `_changed_fields` names the columns that differ,
    comma-separated. Rows `missing`, `removed` and `confirmed` carry the key only.
    """
    extra = [
        ("_digest", pa.int64()),
        ("_change", pa.string()),
        ("_because", pa.string()),
        ("_changed_fields", pa.string()),
    ]
    return pa.schema([*accepted_schema(table), *(pa.field(name, kind) for name, kind in extra)])


def digest_schema(table: Table) -> pa.Schema:
    """The key of a row and its digest."""
    return pa.schema([*((name, pa.string()) for name in table.key), ("_digest", pa.int64())])


#: What of every account is compared after a publication with what mapping gives.
COMPARED_OF_ACCOUNTS = ("user_sourced_id", "site_id", "account_id", "role", "is_primary_site", "username", "email")

#: Refused records: collection, its sourcedId if readable, rule, reason in words, field, and the record as JSON
#: without password and demographics.
REJECT_SCHEMA = pa.schema(
    [(name, pa.string()) for name in ("collection", "sourced_id", "rule", "reason", "field", "record")]
)

#: The rows a hold names: which hold (collection, kind, school), which row (table and its key as one text, see
#: `rollcall.model.digests.row_keys`), what would happen to it and because of what, the school it belongs to, and what a
#: decision about it is about beside all that: a digest of whom a record turned into.
HELD_ROWS_SCHEMA = pa.schema(
    [
        *((name, pa.string()) for name in ("collection", "kind", "school", "table_name", "row_key", "change")),
        *((name, pa.string()) for name in ("because", "row_school", "about")),
    ]
)

#: Rows of living holds whose reason is gone.
CAME_BACK_SCHEMA = pa.schema([(name, pa.string()) for name in ("hold_id", "table_name", "row_key")])

#: Rows of living holds, as the guard sees them; approved ones may flow.
LIVING_HOLD_ROWS_SCHEMA = pa.schema(
    [
        *((name, pa.string()) for name in ("hold_id", "collection", "kind", "school", "table_name", "row_key")),
        *((name, pa.string()) for name in ("change", "because", "about")),
        ("is_approved", pa.bool_()),
    ]
)

#: Why somebody has no account, in the order in which it is asked. A role's reason is the first that holds for it; of
#: several roles the one that came furthest gives the person's. The words are for a school secretary.
LEFT_OUT_REASONS: dict[str, str] = {
    "decided": "was left out by a decision about this one person",
    "no_role": "has no role in the roster",
    "role_left_out": "has only roles that get no account here, such as guardian",
    "role_undecided": "has only roles that nobody has decided about yet",
    "filtered_role": "has only roles that are not among those this district chose",
    "role_ended": "had a role here until the date the school gave for its end",
    "role_not_begun": "has a role here that has not begun yet",
    "no_school": "is at no school that was shared",
    "school_left_out": "is only at schools that were deliberately left out",
    "school_undecided": "is only at schools that nobody has mapped to a site yet",
    "filtered_school": "is only at schools that are not among those this district chose",
    "filtered_grade": "is in a grade that is not among those this district chose, or has none",
    "no_class": "is enrolled in no class, or only in classes that are over or have not begun",
    "no_username": "has nothing in the fields the username is made from",
    "username_pattern": "has a username that does not have the required form",
    "username_collision": "would have the same username as somebody else",
    "same_person": "is a second record of a person who has the account already",
}

#: People without an account: their sourcedId, the one first reason, and what it is about (a school, a role, …).
LEFT_OUT_SCHEMA = pa.schema([(name, pa.string()) for name in ("user_sourced_id", "reason", "detail")])

#: What is found about single people: their sourcedId, the rule, and what it is about: the field, or the sourcedId of
#: another record and what contradicts it.
PERSON_FINDINGS_SCHEMA = pa.schema([(name, pa.string()) for name in ("user_sourced_id", "rule", "detail")])

#: Accounts whose username tonight is not the one readers have, or comes from another field (rule 10). `kind` is
#: `renamed` (same field, other value), `field_changed` (the field changed; the username may be the same) or `exchanged`
#: (the new username was another person's until tonight). A username decided by hand is agreed already and is not told.
NAME_CHANGES_SCHEMA = pa.schema(
    [
        (name, pa.string())
        for name in (
            "user_sourced_id",
            "site_id",
            "kind",
            "old_username",
            "new_username",
            "old_field",
            "new_field",
        )
    ]
)


def write_rows(folder: PullFolder, stage: str, table: str, rows: pa.Table) -> list[Part]:
    """Write rows as a part; none for no rows."""
    if not rows.num_rows:
        return []
    name, sha256 = folder.write_part(stage, table, rows)
    return [Part(name=name, rows=rows.num_rows, sha256=sha256)]


def read_rows(folder: PullFolder, parts: list[Part], schema: pa.Schema, columns: list[str] | None = None) -> pa.Table:
    """The rows of these parts one after another, in `schema` or the named columns of it."""
    if columns is not None:
        schema = pa.schema([schema.field(name) for name in columns])
    tables = [folder.read_part(part.name, part.sha256, schema.names).cast(schema) for part in parts]
    return pa.concat_tables(tables) if tables else schema.empty_table()


@dataclass(frozen=True)
class InClasses:
    """Who is in which class, and when its terms begin and end.

    :param enrollments: user_sourced_id, class_sourced_id, begin_date, end_date.
    :param class_terms: class_sourced_id, term_sourced_id.
    :param academic_sessions: sourced_id, start_date, end_date.
    """

    enrollments: pa.Table
    class_terms: pa.Table
    academic_sessions: pa.Table


#: Birth dates by person.
BIRTH_DATES_SCHEMA = pa.schema([("sourced_id", pa.string()), ("birth_date", pa.date32())])


@dataclass(frozen=True)
class People:
    """The roster as it will be after tonight, as far as accounts depend on it; in memory, within one task.

    :param orgs: sourced_id, name, type.
    :param users: the columns of the table that accounts depend on, or more.
    :param user_roles: all columns of the table.
    :param accounts: the accounts readers have now.
    :param in_classes: who is in which class; None unless `filters.require_class` asks for it, for it is much to read.
    :param birth_dates: in `BIRTH_DATES_SCHEMA`, where the district shares demographics.
    """

    orgs: pa.Table
    users: pa.Table
    user_roles: pa.Table
    accounts: pa.Table
    in_classes: InClasses | None = None
    birth_dates: pa.Table = field(default_factory=BIRTH_DATES_SCHEMA.empty_table)


@dataclass(frozen=True)
class Mapped:
    """What mapping makes of people.

    :param accounts: every account as it will be, in the table's schema.
    :param left_out: everybody without one, in `LEFT_OUT_SCHEMA`.
    :param coverage: how many people came, have a role that gets an account, a site, a username, an account.
    :param name_changes: the accounts whose username or its field changes, in `NAME_CHANGES_SCHEMA`.
    :param person_findings: what is found about single people, in `PERSON_FINDINGS_SCHEMA`.
    """

    accounts: pa.Table
    left_out: pa.Table
    coverage: dict[str, int]
    findings: list[Finding]
    name_changes: pa.Table = field(default_factory=NAME_CHANGES_SCHEMA.empty_table)
    person_findings: pa.Table = field(default_factory=PERSON_FINDINGS_SCHEMA.empty_table)
