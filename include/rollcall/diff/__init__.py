"""`rollcall diff`: changes person by person, with the reason."""
