"""The landing zone, and what the stages of a run leave there for one another."""
