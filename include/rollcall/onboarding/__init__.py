"""Taking a district in: from the text it sent to a connection that was checked, and a file that describes it.

The text is read as it came: saved mail, forwarded, quoted, pasted out of a table or a document. What was recognised is
said before anything is asked, and nothing is written unless the check passes.
"""
