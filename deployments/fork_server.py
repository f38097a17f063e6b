"""Flow runs that start quickly: each is forked from a process that has everything imported already.

Importing Prefect, our flows and the vendors' clients takes seconds of processor time, and a response is a dozen runs.
Prefect's runner starts each run in a freshly spawned interpreter. Here the same call uses Python's own fork server,
which has imported everything once and does nothing else (so it has no threads that a fork could break).

*Source:* Prefect 3.8, `prefect/runner/_starter_direct.py`, whose docstring names `run_flow_in_subprocess` as the place
to override; Python's `multiprocessing.set_forkserver_preload`.
"""

from __future__ import annotations

import multiprocessing
from collections.abc import Iterator
from multiprocessing import forkserver
from typing import Any

from prefect.flow_engine import run_flow_in_subprocess
from prefect.runner import _starter_direct

from allclear.company import Company
from allclear.engine.actions.registry import Registry

_ALWAYS = (
    "deployments.catalog",
    "tasks.prefect_task",
    "allclear.journal.sql_journal",
    "allclear.journal.sqlite",
    "allclear.journal.postgres",
    "psycopg",
)
"""What every run imports, whatever the company's systems are."""


def preload(company: Company, registry: Registry) -> list[str]:
    """Return the modules that the company's runs would otherwise import one by one.

    They are those of the registered actions and probes that can work with the company's systems, of the vendors'
    clients behind them, and what each client names in `libraries` because its first call imports it.
    """
    return [*_ALWAYS, *sorted(set(_used(company, registry)))]


def _used(company: Company, registry: Registry) -> Iterator[str]:
    systems = company.systems.systems
    for kind in (*registry.actions.values(), *registry.probes.values()):
        if any(client.system not in systems for client in kind.needs):
            continue
        yield kind.__module__
        for client in (*kind.needs, *kind.uses):
            if client.system in systems:
                yield client.__module__
                yield from getattr(client, "libraries", ())


def start_fork_server(company: Company, registry: Registry) -> None:
    """Start the fork server with what `preload` names; the runner of this process uses it from now on."""
    multiprocessing.set_forkserver_preload(preload(company, registry))
    forkserver.ensure_running()
    setattr(_starter_direct, "run_flow_in_subprocess", _forked)  # noqa: B010 - it is no public name of that module


def _forked(*args: Any, **kwargs: Any) -> Any:  # noqa: ANN401 - the signature of the original
    """Run Prefect's function with the fork server's context in place of the spawn context that it asks for by name."""
    fork_server, original = multiprocessing.get_context("forkserver"), multiprocessing.get_context

    def get_context(method: str | None = None) -> Any:  # noqa: ANN401, ARG001 - the signature of the original
        return fork_server

    multiprocessing.get_context = get_context
    try:
        return run_flow_in_subprocess(*args, **kwargs)
    finally:
        multiprocessing.get_context = original
