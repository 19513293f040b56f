"""The published roster as Parquet, for warehouses that are no PostgreSQL."""
