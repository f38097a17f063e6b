"""The stages of the difficult cases of Cloud Run: over gRPC and REST, on the simulator and on the tests' own fake.

Each act is proposed, approved, carried out by the executor and recorded in a journal. `Setting` describes Cloud Run at
the start of a case; the stage does what other people do in the meantime.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.contract.acts_support import Acts
    from tests.contract.cloud_run_stages import Scene, Setting, Stage


@pytest.fixture(params=["simulator", "fake"])
def cloud_run_kind(request: pytest.FixtureRequest) -> str:
    """The kind of Cloud Run."""
    return str(request.param)


@pytest.fixture(params=["grpc", "rest"])
async def scene(request: pytest.FixtureRequest, cloud_run_kind: str, tmp_path: Path) -> AsyncGenerator[Scene]:
    """Opens stages for the test, which are closed after it."""
    from tests.contract.cloud_run_stages import Setting, acts_on, staged  # noqa: PLC0415 - few tests need Google's clients

    async with AsyncExitStack() as stack:

        async def opened(setting: Setting | None = None) -> tuple[Stage, Acts]:
            chosen = setting or Setting()
            stage = await stack.enter_async_context(staged(cloud_run_kind, str(request.param), chosen))
            acts = acts_on(stage, tmp_path, chosen)
            stack.callback(acts.journal.close)
            return stage, acts

        yield opened
