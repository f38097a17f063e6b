"""What the tests of the responder share: an engine on its own journal, and a client of its routes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from fastapi.testclient import TestClient

    from allclear.bootstrap import Engine


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    """An engine on its own journal; Prefect is unreachable."""
    from tests.unit.responder.responder_support import engine_in  # noqa: PLC0415 - most tests need nothing of it

    engine = engine_in(tmp_path)
    yield engine
    engine.journal.close()


@pytest.fixture
def client(engine: Engine) -> Iterator[TestClient]:
    """A client of the responder on this machine, whose workers run."""
    from tests.unit.responder.responder_support import running_responder  # noqa: PLC0415 - as above

    with running_responder(engine) as client:
        yield client
