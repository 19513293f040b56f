"""Demographics. Their sourcedId is the person's; everything else is optional.

A rejected record is never shown, not even among the rejects. Only the rule and its reason are kept.
"""

from __future__ import annotations

from rollcall.expectations.rules import Rule, Suite, parseable, vocabulary
from rollcall.expectations.suites import every_record
from rollcall.expectations.suites.orphans import NO_PERSON, orphans
from rollcall.model.vocabularies import SEXES

_RACES_AND_ETHNICITY = {
    "american_indian_or_alaska_native": "americanIndianOrAlaskaNative",
    "asian": "asian",
    "black_or_african_american": "blackOrAfricanAmerican",
    "native_hawaiian_or_other_pacific_islander": "nativeHawaiianOrOtherPacificIslander",
    "white": "white",
    "demographic_race_two_or_more_races": "demographicRaceTwoOrMoreRaces",
    "hispanic_or_latino_ethnicity": "hispanicOrLatinoEthnicity",
}


SUITE = Suite(
    records=[
        *every_record.storable(has_indexed=False),
        *every_record.dated(),
        Rule(
            "birth_date_impossible",
            "critical",
            "birthDate",
            "The birth date is not a valid date such as 2015-08-21.",
            parseable("birth_date"),
        ),
        *vocabulary("sex_unknown", "sex", "The sex is not a OneRoster value.", "sex", SEXES),
        *(
            Rule(
                f"{name}_unreadable",
                "warning",
                field,
                "A race or ethnicity field is neither true nor false. It is left empty.",
                parseable(f"is_{name}"),
            )
            for name, field in _RACES_AND_ETHNICITY.items()
        ),
    ],
    roster={"demographics": orphans("sourced_id", "user", "sourcedId", NO_PERSON)},
)
