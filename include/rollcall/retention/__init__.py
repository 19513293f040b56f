"""Permanent deletion: old data every morning, and everything of one district on request.

Nothing else in Rollcall deletes roster rows. A removed person is a row with `_removed_at`.
"""
