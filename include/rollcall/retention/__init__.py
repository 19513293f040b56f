"""Deleting for good: what is older than a district keeps it, every night; and everything of a district, once.

Nothing else in Rollcall deletes a row of a roster: people who left are rows with `_removed_at`.
"""
