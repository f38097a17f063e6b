"""The fixtures of the tests of the executor."""

from __future__ import annotations

from collections.abc import Generator
from pathlib import Path

import pytest

from tests.unit.engine.actions.executor_support import Office
from tests.unit.fakes_actions import (
    Desk,
)


@pytest.fixture
def office(tmp_path: Path) -> Generator[Office]:
    """An office on a new journal."""
    office = Office(tmp_path)
    yield office
    for journal in office.journals:
        journal.close()


@pytest.fixture
def desk(office: Office) -> Desk:
    """The desk of a single process."""
    return office.desk()
