"""Checks a district's connection step by step: whether it works, whose it is, and what the provider supports.

A person sees what is wrong in the words of the district's screen. A DAG runs the same check every afternoon. Nothing
here names a person, a secret, or a token. A check reads at most one record per collection, and one page.
"""
