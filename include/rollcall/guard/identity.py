"""People whose sourcedId changes, and sourcedIds whose person changes (rules 4 and 10)."""

from __future__ import annotations

import hashlib

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from rollcall.guard.drafts import ROW, HoldDrafts, as_rows
from rollcall.guard.evidence import KEY, Evidence
from rollcall.guard.removals import too_many
from rollcall.model.keys import join_key, join_series
from rollcall.settings import District

_ARRIVALS = ("added", "returned")
_NAME_COLUMNS = ("given_name", "family_name", "identifier", "email")
_IDENTIFYING_COLUMNS = (*_NAME_COLUMNS, "birth_date")

#: In Infinite Campus, a 1.2 record has the ID of 1.1 without the leading letter of the role.
_LEGACY = r'"legacysourceId"\s*:\s*"?(?P<id>[^",}\s]+)'


def same_people(evidence: Evidence) -> pd.DataFrame:
    """People who are removed or missing, each paired with the new record of the same person.

    Two records match by the old ID in the new record's metadata, by name and identifier, by name and birth date, or by
    email. The value must be unique on both sides.

    :returns: `old`, `new` (sourcedIds).
    """
    pairs = pd.DataFrame({"old": pd.Series(dtype="object"), "new": pd.Series(dtype="object")})
    if not evidence.has("users", *_ARRIVALS):
        return pairs
    gone = pa.array(evidence.departing("users")["key"].tolist(), pa.string())
    missing = evidence.roster.missing_people()
    missing = missing.filter(pc.invert(pc.is_in(missing, value_set=evidence.received["users"])))
    leavers = pc.unique(pa.chunked_array([gone, *missing.chunks], pa.string()))
    if not len(leavers):
        return pairs
    old = evidence.roster.people(leavers).to_pandas()
    if old.empty:
        return pairs
    arriving = evidence.rows("users", *_ARRIVALS, columns=("metadata", *_NAME_COLUMNS))
    new = arriving.rename(columns={"key": "sourced_id"}).join(_birth_dates(evidence), on="sourced_id")
    legacy = new["metadata"].astype("str").str.extract(_LEGACY)["id"]
    bare = (
        old["sourced_id"].where(~old["sourced_id"].isin(legacy), None).str.replace(r"^[A-Za-z](?=\d+$)", "", regex=True)
    )
    ways = [
        (old["sourced_id"], legacy),
        (bare, legacy),
        (_joined(old, "identifier"), _joined(new, "identifier")),
        (_joined(old, "birth_date"), _joined(new, "birth_date")),
        (_folded(old["email"]), _folded(new["email"])),
    ]
    for theirs, ours in ways:
        if theirs.isna().all() or ours.isna().all():
            continue
        left = _unique_values(pd.DataFrame({"old": old["sourced_id"], "by": theirs}), pairs["old"], "old")
        right = _unique_values(pd.DataFrame({"new": new["sourced_id"], "by": ours}), pairs["new"], "new")
        pairs = pd.concat([pairs, left.merge(right, on="by")[["old", "new"]]], ignore_index=True)
    return pairs


def judge_migration(district: District, evidence: Evidence, drafts: HoldDrafts, pairs: pd.DataFrame) -> None:
    """Hold the new IDs and the removal of the old ones if too many people change theirs."""
    if pairs.empty and evidence.living_rows.empty:
        return
    departing = evidence.departing("users").set_index("key")["change"]
    _keep_held(evidence, drafts, departing)
    pairs = pairs[~pairs["new"].isin(drafts.keys("identities", "users"))]
    for found in too_many(district, evidence, "identity", "users", pairs["old"]):
        linked = pairs.merge(found.rows, left_on="old", right_on="key").drop(columns="key")
        linked["reason"] = linked["old"] + " -> " + linked["new"]
        old = linked.assign(key=linked["old"], change=linked["old"].map(departing).astype("object").fillna("missing"))
        for rows in (old, linked.assign(key=linked["new"], change="added")):
            drafts.add("users", "identities", as_rows("users", rows), school=found.school)
    for draft in drafts.by_hold.values():
        coming = int((draft.rows["change"] == "added").sum())
        draft.explanations.append(f"{coming:,} of {evidence.published('users'):,} people return with another sourcedId")


def _keep_held(evidence: Evidence, drafts: HoldDrafts, departing: pd.Series) -> None:
    """A hold keeps its rows, even on a night with only one side of them."""
    living = evidence.living_rows
    living = living[(living["kind"] == "identities") & ~living["is_approved"].astype(bool)]
    if living.empty:
        return
    seen = living["row_key"].isin(departing.index) | living["row_key"].isin(evidence.rows("users", *_ARRIVALS)["key"])
    still = living[seen & (living["change"] != "changed")]
    still = still.assign(change=still["row_key"].map(departing).astype("object").fillna(still["change"]), row_school="")
    for school, rows in still.groupby("school"):
        drafts.add("users", "identities", rows[list(ROW)], school=str(school))


def detect_identity_changes(evidence: Evidence, drafts: HoldDrafts) -> None:
    """Hold, one by one, records whose name changes together with another value that identifies a person.

    A family name that changes with the email is a marriage if the given name, identifier, and birth date stay. A given
    name changes with the email only if the record became another person's.
    """
    # approved records too: an approval is for this person only
    changed = evidence.rows("users", "changed", columns=("_changed_fields", *_NAME_COLUMNS), with_approved=True)
    names = changed["_changed_fields"].fillna("").str.contains(r"(?:^|,)(?:given|family)_name(?:,|$)")
    suspects = changed[names.astype(bool)]
    if suspects.empty:
        return
    now = suspects.set_index("key").join(_birth_dates(evidence))
    keys = pa.array(now.index, pa.string())
    then = evidence.roster.people(keys).to_pandas().set_index("sourced_id").reindex(now.index)
    differs = {name: _differs(then[name], now[name]) for name in _IDENTIFYING_COLUMNS}
    person = differs["identifier"] | differs["birth_date"]
    turned = (differs["given_name"] & (person | differs["email"])) | (differs["family_name"] & person)
    rows = suspects[suspects["key"].isin(now.index[turned])].assign(
        about=lambda found: found["key"].map(_person_digests(now))
    )
    living = evidence.living_rows
    approved = living[living["is_approved"].astype(bool) & (living["kind"] == "identities")]
    rows = rows[~(rows["key"] + rows["about"]).isin(approved["row_key"] + approved["about"].fillna(""))]
    if rows.empty:
        return
    fields = pd.DataFrame(differs).rename(columns=lambda name: name.replace("_", " "))[turned]
    words = fields.apply(lambda found: ", ".join(fields.columns[found]), axis=1)
    at = evidence.roster.schools_of("users", pa.array(rows["key"], pa.string())).to_pandas().drop_duplicates("key")
    made = as_rows("users", rows, row_school=rows["key"].map(at.set_index("key")["school"]).astype("object").fillna(""))
    made["reason"] = "changed together: " + rows["key"].map(words)
    explanation = f"{len(rows):,} record{'s' if len(rows) > 1 else ''} became another person"
    drafts.add("users", "identities", made, explanation=explanation)


def _person_digests(people: pd.DataFrame) -> pd.Series:
    """A digest of each person, from the columns that identify them."""
    values = [_folded(people[name]).fillna("") for name in _IDENTIFYING_COLUMNS]
    joined = (join_key(parts) for parts in zip(*values, strict=True))
    digests = [hashlib.blake2b(text.encode(), digest_size=8).hexdigest() for text in joined]
    return pd.Series(digests, index=people.index, dtype="object")


def _birth_dates(evidence: Evidence) -> pd.Series:
    """Birth dates received tonight, by person."""
    if "demographics" not in evidence.changes:
        return pd.Series(dtype="object", name="birth_date")
    rows = evidence.changes["demographics"].select([KEY, "birth_date"]).to_pandas()
    return rows.dropna().set_index(KEY)["birth_date"]


def _joined(people: pd.DataFrame, other: str) -> pd.Series:
    """The name and another value as one text; null if any part is null."""
    parts = [_folded(people[name]) for name in ("given_name", "family_name", other)]
    return join_series(*parts)


def _folded(values: pd.Series) -> pd.Series:
    text = values.astype("str").where(values.notna()).str.strip().str.lower()
    return text.where(text != "")


def _unique_values(people: pd.DataFrame, done: pd.Series, who: str) -> pd.DataFrame:
    """People not matched yet whose value is unique on their side."""
    left = people[~people[who].isin(done)].dropna(subset=["by"])
    return left[~left["by"].duplicated(keep=False)].astype("object")


def _differs(then: pd.Series, now: pd.Series) -> pd.Series:
    """Whether both have a value and the values differ in more than case and spaces."""
    then, now = _folded(then), _folded(now)
    return then.notna() & now.notna() & (then != now).fillna(False)
