"""The one Prefect task: it runs a step, so that each shows in Prefect by its name.

Prefect never retries it: whether a step may be done again is for the journal to say.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from prefect import task
from prefect.cache_policies import NO_CACHE


@task(name="step", task_run_name="{title}", retries=0, cache_policy=NO_CACHE, persist_result=False)
async def run_step(title: str, perform: Callable[[], Awaitable[str]]) -> str:
    """Return what the step came to, in a sentence. `title` names it in Prefect."""
    _ = title
    return await perform()
