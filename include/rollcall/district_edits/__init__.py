"""Decisions a person makes about a district: which school is which site, where usernames come from, one person.

They stand in the district's YAML and nowhere else. Each is shown first as what it would do to the published roster, by
the real mapping, and the file is then changed in the places it is about and nowhere else.
"""
