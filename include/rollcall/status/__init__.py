"""The morning after: which districts need a person, what is told to whom."""
