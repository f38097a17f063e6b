"""Makes an old or new database a journal of today, by Alembic."""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy import Engine


def upgrade(engine: Engine) -> None:
    """Runs the migrations that `engine`'s database lacks, in one transaction."""
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent))
    with engine.connect() as connection, connection.execution_options(allclear_write=True).begin():
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
