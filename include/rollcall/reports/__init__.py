"""The summary of a run, and tables on a terminal."""
