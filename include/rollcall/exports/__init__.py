"""The published roster as Parquet, for warehouses other than PostgreSQL."""
