"""The pulls that are known: those whose extract finished and which retention has left in the landing zone.

Whether a night's pull was ever published does not matter: a warehouse that was down loses no night.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime

from include.contracts import Pull, PullRef, Validated, load
from include.errors import RollcallError
from include.landing import Landing, PullFolder
from include.settings import District, night_of


@dataclass(frozen=True)
class Known:
    """A pull of the past.

    :param pull: its manifest.
    """

    folder: PullFolder
    pull: Pull

    @property
    def as_of(self) -> datetime:
        return self.pull.as_of

    def night(self, district: District) -> date:
        return night_of(self.as_of, district.schedule.timezone)


def known_pulls(landing: Landing, district: str) -> list[Known]:
    """A district's pulls, oldest first; a remap's folder is no pull."""
    found = []
    for pull_id in landing.pulls(district):
        folder = landing.pull(district, pull_id)
        try:
            pull = load(folder, Pull)
        except RollcallError:  # under way, or given up
            continue
        if pull.kind != "remap":
            found.append(Known(folder, pull))
    return sorted(found, key=lambda known: (known.as_of, known.pull.pull_id))


def pulls_of_night(landing: Landing, district: District, night: date) -> list[Pull]:
    """What is kept of one night, oldest first."""
    return [known.pull for known in known_pulls(landing, district.district) if known.night(district) == night]


def judged_today(landing: Landing, district: District, known: Known) -> Validated:
    """What validate says of a pull by today's rules: judged anew where it was not judged yet, or by other rules."""
    # Great Expectations takes seconds to import
    from include.expectations.in_force import rules_in_force
    from include.validate.stage import validate

    try:
        validated = load(known.folder, Validated)
    except RollcallError:
        validated = None
    if validated is not None and validated.rules in ("", rules_in_force(district)):
        return validated
    pull = known.pull
    return validate(landing, PullRef(district=pull.district, pull_id=pull.pull_id, run_id=pull.run_id), district)
