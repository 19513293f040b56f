"""Decisions that wait for a person: reading holds, saying what they are about, approving and rejecting them.

A run's own steps in a hold's life are in `rollcall.warehouse.holds`. The command line and the DAG `roster_holds` both
come here, so that a decision is the same whoever takes it.
"""
