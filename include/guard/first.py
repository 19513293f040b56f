"""A first roster, or a collection's first rows, of which it is not proven that all of it was received (DESIGN, rule 1).

On later nights an unproven pull only adds and takes nothing away. On the first one a third of a district's people would
be published as if they were all.
"""

from __future__ import annotations

import pandas as pd

from include.contracts import FIRST_ROWS, LandedCollection
from include.guard.claims import Claims
from include.guard.evidence import Evidence
from include.tables import TABLES


def judge_first(evidence: Evidence, claims: Claims) -> frozenset[str]:
    """Hold what would be published for the first time without proof.

    Where readers have no roster yet, nothing is published, for no part of a roster is of use without the others.
    Otherwise the collection waits, and what refers to its records; all else flows.

    :returns: the tables of which nothing may be published.
    """
    first = [one for one in evidence.landed if not one.proof.proven and not evidence.published(one.collection)]
    if not first:
        return frozenset()
    has_roster = evidence.readers.has_roster()
    if has_roster:
        first = [one for one in first if evidence.has(one.collection, "added", "returned")]
    waiting = [one for one in first if not _is_approved(one, evidence)]
    for one in waiting:
        row = {"table_name": one.collection, "row_key": FIRST_ROWS, "change": "added", "about": str(one.proof.unique)}
        rows = pd.DataFrame([row | {"because": "not proven complete", "row_school": ""}]).astype("object")
        said = received_of(one) if has_roster else f"{received_of(one)}; nothing of the first roster is published"
        claims.add(one.collection, "additions", rows, said=said, is_real=True, count=one.proof.received)
    if waiting and not has_roster:
        return frozenset(evidence.changes)
    held = {one.collection for one in waiting}
    return frozenset(name for name in evidence.changes if TABLES[name].collection in held)


def received_of(landed: LandedCollection) -> str:
    """`1,000 of 2,888 users received, and no proof that these are all (…)`."""
    proof = landed.proof
    of = f" of {proof.expected:,}" if proof.expected is not None else ""
    what = landed.collection.replace("_", " ")
    why = f" ({proof.why.rstrip('.')})" if proof.why else ""
    return f"{proof.unique:,}{of} {what} received, and no proof that these are all{why}"


def _is_approved(landed: LandedCollection, evidence: Evidence) -> bool:
    """Whether a person agreed to publish as much as tonight brought; less than that is another question."""
    living = evidence.living.to_pandas()
    mine = (living["kind"] == "additions") & (living["table_name"] == landed.collection)
    agreed = living.loc[mine & living["is_approved"].astype(bool), "about"]
    return any(landed.proof.unique >= int(about) for about in agreed)
