"""Is a district's connection alive, does it belong to that district, and what does its provider do: step by step.

A person pastes four fields and wants to know what is wrong in the words of the district's screen; a DAG asks the same
every night. Nothing here names a person, a secret or a token, and at most one record per collection is looked at
beside one page.
"""
