"""Extract: all collections of a district, as received, into one pull of the landing zone."""
