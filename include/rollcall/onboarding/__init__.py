"""Adds a district: from the text it sent to a checked connection and a file that describes it.

The text can be a saved email, forwarded, quoted, or copied from a table or a document. The recognized values are
printed before any request, and nothing is written unless the check passes.
"""
