"""Steps for migrations of the roster: a new column, or a table of a new collection.

A column or table belongs to `roster_staging`, both tables of `roster_history`, and the view in `roster`. Types come
from the models, so a migration names only what is new. Both steps skip what exists: an earlier `add_table` of a new
warehouse already creates the columns that later migrations add.
"""

import sqlalchemy as sa
from alembic import op

from rollcall.warehouse.models import history, published, staging
from rollcall.warehouse.schemas import LIVE

#: Lineage columns that the views show.
_LIVE_LINEAGE = ("_run_id", "_first_seen_at", "_changed_at", "_missing_since")


def add_column(table: str, column: str) -> None:
    """Add a column of the models to a table and, at the end, to its view. Its rows are null until they change."""
    for model in (staging[table], history[table], published[table]):
        declared = model.c[column]
        op.add_column(
            model.name, sa.Column(column, declared.type, nullable=True), schema=model.schema, if_not_exists=True
        )
    found = sa.inspect(op.get_bind())
    if found.has_table(table, schema=LIVE):
        shown = [one["name"] for one in found.get_columns(table, schema=LIVE)]
        _create_view(table, shown if column in shown else [*shown, column])


def add_table(table: str) -> None:
    """Create the tables of the models, and the view of live rows."""
    for model in (staging[table], history[table], published[table]):
        model.create(op.get_bind(), checkfirst=True)
    roster = [column.name for column in staging[table].c if not column.name.startswith("_")]
    _create_view(table, [*roster, *_LIVE_LINEAGE])


def _create_view(table: str, columns: list[str]) -> None:
    listed = ", ".join(f'"{column}"' for column in columns)
    source = f"{staging[table].schema}.{table}"
    op.execute(f"CREATE OR REPLACE VIEW {LIVE}.{table} AS SELECT {listed} FROM {source} WHERE _removed_at IS NULL")
