"""Decisions about a district: which school is which site, which field usernames come from, single people.

They are in the district's YAML file and nowhere else. Each decision is first previewed with the real mapping of the
current roster. Then only the affected lines of the file change.
"""
