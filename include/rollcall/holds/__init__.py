"""Holds: what waits for a decision, and the decisions.

The command line and the DAG `roster_holds` both use this package, so a decision has the same effect from either.
`rollcall.warehouse.holds` has the steps of a hold that a run takes.
"""
