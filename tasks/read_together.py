"""Several reads at the same time, of which none goes on after another has failed.

`asyncio.gather` alone raises the first error and leaves the other reads running. They would use a client that may be
closed meanwhile.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import Any, TypeVar, overload

A = TypeVar("A")
B = TypeVar("B")


@overload
async def read_together(first: Awaitable[A], second: Awaitable[B], /) -> tuple[A, B]: ...
@overload
async def read_together(*reads: Awaitable[A]) -> list[A]: ...
async def read_together(*reads: Awaitable[Any]) -> Any:  # typed by the overloads
    """Return the results in the order of `reads`. Raises the first error, once the other reads are cancelled and ended.

    Not for writes: a write that is cancelled may have been made.
    """
    running = [asyncio.ensure_future(read) for read in reads]
    try:
        return await asyncio.gather(*running)
    except BaseException:
        for read in running:
            read.cancel()
        await asyncio.gather(*running, return_exceptions=True)
        raise
