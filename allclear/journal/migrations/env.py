"""Alembic's entry point, which migrates on the connection that `upgrade` passes."""

from __future__ import annotations

from alembic import context

from allclear.journal.tables import METADATA

context.configure(connection=context.config.attributes["connection"], target_metadata=METADATA)
context.run_migrations()
