"""Adding columns to tables of older databases."""

import sqlalchemy as sa


def add_column(connection: sa.Connection, table: str, described: str) -> None:
    """Add a column that is not there yet."""
    columns = {column["name"] for column in sa.inspect(connection).get_columns(table)}
    if described.split(maxsplit=1)[0] not in columns:
        connection.exec_driver_sql(f"ALTER TABLE {table} ADD COLUMN {described}")
