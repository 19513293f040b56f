"""Extract: all collections of a district, as they came, into one pull of the landing zone."""
