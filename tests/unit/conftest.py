"""What all unit tests share: an event loop that skips pauses."""

from __future__ import annotations

from tests.skipping_loop import pytest_asyncio_loop_factories

__all__ = ["pytest_asyncio_loop_factories"]
