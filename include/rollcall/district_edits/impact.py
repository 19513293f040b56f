"""The impact of a decision on people: the real mapping of the current roster, before and after."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import pandas as pd

from rollcall.accounts.mapping import map_accounts
from rollcall.district_edits.current_roster import CurrentRoster, frame
from rollcall.landing.mapping import MappingResult
from rollcall.model.keys import join_key
from rollcall.settings import District
from rollcall.warehouse.site_targets import resolve_site_targets


@dataclass(frozen=True)
class Impact:
    """People by what happens to their accounts. Each person is counted once.

    :param gain: people with no account before and at least one after; `lose` is the reverse.
    :param move: people who keep an account, but at other sites.
    :param rename: people with another username at the same sites.
    :param is_published: whether people already have the accounts that change.
    :param ways: (sites before, sites after) to the number of people; sites by name, empty for none.
    :param after: the mapping with the decision.
    """

    before: MappingResult
    after: MappingResult
    gain: int
    lose: int
    move: int
    rename: int
    ways: dict[tuple[str, str], int]
    is_published: bool

    @property
    def people(self) -> int:
        """The number of people whose accounts change."""
        return self.gain + self.lose + self.move + self.rename

    def plain(self) -> dict[str, object]:
        """For `--json`."""
        counts = {name: getattr(self, name) for name in ("people", "gain", "lose", "move", "rename")}
        ways = [{"from": old, "to": new, "people": people} for (old, new), people in self.ways.items()]
        return {**counts, "ways": ways, "published": self.is_published}


def accounts_with(roster: CurrentRoster, district: District) -> MappingResult:
    """The accounts that the roster gives with these settings."""
    return map_accounts(resolve_site_targets(roster.connection, district), roster.people, roster.night)


def compute_impact(roster: CurrentRoster, before: District, after: District) -> Impact:
    """Map the roster with both settings and compare."""
    was, will = accounts_with(roster, before), accounts_with(roster, after)
    both = _by_person(was).add_suffix("_before").join(_by_person(will).add_suffix("_after"), how="outer")
    gain, lose = both["sites_before"].isna(), both["sites_after"].isna()
    move = ~gain & ~lose & (both["sites_before"] != both["sites_after"])
    rename = ~gain & ~lose & ~move & (both["username_before"] != both["username_after"])
    touched = both[gain | lose | move]
    ways = Counter(zip(touched["names_before"].fillna(""), touched["names_after"].fillna(""), strict=True))
    return Impact(
        before=was,
        after=will,
        gain=int(gain.sum()),
        lose=int(lose.sum()),
        move=int(move.sum()),
        rename=int(rename.sum()),
        ways=dict(ways.most_common()),
        is_published=roster.is_published,
    )


def _by_person(mapped: MappingResult) -> pd.DataFrame:
    """Per person with an account: IDs and names of the sites, each as one text, and the username."""
    accounts = frame(mapped.accounts.select(["user_sourced_id", "site_id", "site_name", "username"]))
    grouped = accounts.sort_values(["user_sourced_id", "site_id"]).groupby("user_sourced_id", sort=False)
    first = accounts.drop_duplicates("user_sourced_id").set_index("user_sourced_id")
    several = grouped.size() > 1
    people = pd.DataFrame({"sites": first["site_id"], "names": first["site_name"], "username": first["username"]})
    many = accounts[accounts["user_sourced_id"].isin(several[several].index)]
    if len(many):
        texts = many.groupby("user_sourced_id").agg(sites=("site_id", join_key), names=("site_name", ", ".join))
        people.update(texts)
    return people
