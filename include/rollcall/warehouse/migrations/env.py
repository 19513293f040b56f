"""Alembic's entry: always on a connection that :mod:`rollcall.warehouse.migrate` opened and locked."""

from alembic import context

from rollcall.warehouse.ops_models import metadata  # with the tables of both modules
from rollcall.warehouse.schemas import OPS

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    version_table_schema=OPS,
    include_schemas=True,
    transaction_per_migration=True,
)
with context.begin_transaction():
    context.run_migrations()
