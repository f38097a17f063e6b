"""The one Prefect task: it runs a step, so that each step shows in Prefect under its own name.

Prefect never retries it, because the journal decides whether a step may be done again.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from prefect import task
from prefect.cache_policies import NO_CACHE


@task(name="step", task_run_name="{title}", retries=0, cache_policy=NO_CACHE, persist_result=False)
async def run_step(title: str, perform: Callable[[], Awaitable[str]]) -> str:
    """Return the step's outcome as a sentence. `title` names the task run in Prefect."""
    _ = title
    return await perform()
