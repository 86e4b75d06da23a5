"""Alembic's entry. `shared.store.migrate` hands in a connection that holds the migration lock."""

from __future__ import annotations

from alembic import context

context.configure(connection=context.config.attributes["connection"])
with context.begin_transaction():
    context.run_migrations()
