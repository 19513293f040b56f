"""The roster's tables and columns, described once."""
