"""What tests of several folders share: the databases that a journal can be on."""

from __future__ import annotations

from collections.abc import Generator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.journal_support import Journals, OnPostgres


@pytest.fixture(scope="session")
def postgres() -> Generator[OnPostgres]:
    """A PostgreSQL server for this test process."""
    from tests.journal_support import postgres_server  # noqa: PLC0415 - most tests need nothing of it

    with postgres_server() as server:
        yield server


@pytest.fixture(params=["sqlite", "postgresql"])
def journals(request: pytest.FixtureRequest, tmp_path: Path) -> Journals:
    """Where new journals come from: the test is run on each database."""
    from tests.journal_support import OnSqlite  # noqa: PLC0415 - as above

    return OnSqlite(tmp_path) if request.param == "sqlite" else request.getfixturevalue("postgres")
