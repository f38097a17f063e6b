"""Prefect's server on its embedded SQLite, with writers that wait for each other: `python -m deployments.server PORT`.

Prefect begins its transactions deferred. A transaction that reads first and writes later then fails at once if another
one has written meanwhile, and a click in the UI is answered "Unknown error". Begun IMMEDIATE, the transaction waits
instead. With PostgreSQL (recommended for anything real) use Prefect's own `prefect server start`.

*Source:* Prefect 3.8, `prefect/server/database/configurations.py` (`AioSqliteConfiguration.begin_transaction`).
"""

from __future__ import annotations

import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import uvicorn
from prefect.server.api.server import create_app
from prefect.server.database.configurations import AioSqliteConfiguration
from sqlalchemy.ext.asyncio import AsyncSession, AsyncSessionTransaction

_begin = AioSqliteConfiguration.begin_transaction


@asynccontextmanager
async def _begin_immediate(
    self: AioSqliteConfiguration,
    session: AsyncSession,
    with_for_update: bool = False,  # noqa: FBT001, FBT002, ARG001 - Prefect's own signature
) -> AsyncGenerator[AsyncSessionTransaction]:
    async with _begin(self, session, with_for_update=True) as transaction:
        yield transaction


def main(port: int) -> None:
    """Serve API, UI and background services on 127.0.0.1:`port` until SIGINT or SIGTERM."""
    AioSqliteConfiguration.begin_transaction = _begin_immediate  # pyright: ignore[reportAttributeAccessIssue] - see above
    uvicorn.run(create_app(final=True), host="127.0.0.1", port=port, log_level="warning", timeout_keep_alive=5)


if __name__ == "__main__":
    main(int(sys.argv[1]))
