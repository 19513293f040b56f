"""Validates each record by itself, without a warehouse."""
