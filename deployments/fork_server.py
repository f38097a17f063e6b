"""Flow runs that start quickly: each is forked from a process that has everything imported already.

Importing Prefect, our flows and the vendors' clients takes seconds of processor time, and a response is a dozen runs.
Prefect's runner starts each run in a freshly spawned interpreter. Here the same call uses Python's own fork server,
which has imported everything once and does nothing else (so it has no threads that a fork could break).

Prefect reads its settings again in each run, which took half of a run's processor time. Here they are read once.

The fork server itself is forked from the runner, which needs the same imports: they are made once, and the two share
their memory. That is done before the runner starts a thread or an event loop.

*Source:* Prefect 3.8, `prefect/runner/_starter_direct.py`, whose docstring names `run_flow_in_subprocess` as the place
to override; `prefect/flow_engine.py`, where that function has the run call `Settings()`; Python's
`multiprocessing.set_forkserver_preload`; Python 3.11 to 3.14, `multiprocessing/forkserver.py`, where `ensure_running`
starts `python -c COMMAND` with `util.spawnv_passfds`.
"""

from __future__ import annotations

import gc
import multiprocessing
import os
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from functools import cache
from importlib import import_module
from multiprocessing import forkserver, resource_tracker, util
from typing import Any

from prefect import flow_engine
from prefect.context import serialize_context
from prefect.flow_engine import run_flow_in_subprocess
from prefect.runner import _starter_direct
from prefect.settings import Settings, get_current_settings

from allclear.company import Company
from allclear.engine.actions.registry import Registry

_ALWAYS = (
    "deployments.catalog",
    "tasks.prefect_task",
    "allclear.journal.sql_journal",
    "allclear.journal.sqlite",
    "allclear.journal.postgres",
    "psycopg",
    "sqlite3",
    "anyio._backends._asyncio",
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
    """Start the fork server with what `preload` names; the runner of this process uses it from now on.

    Call it before this process starts a thread or an event loop: the server is a fork of it.
    """
    modules = preload(company, registry)
    multiprocessing.set_forkserver_preload(modules)
    for module in modules:
        import_module(module)
    _preload_settings()
    resource_tracker.ensure_running()  # or the fork server starts it, in the way that is replaced here
    spawn = util.spawnv_passfds
    if threading.active_count() == 1:
        util.spawnv_passfds = _fork_this_process
    try:
        forkserver.ensure_running()
    finally:
        util.spawnv_passfds = spawn  # one that is started again, if the first has ended, is a fresh process
    setattr(_starter_direct, "run_flow_in_subprocess", _forked)  # noqa: B010 - it is no public name of that module


def _preload_settings() -> None:
    """Read Prefect's settings for the runs: Prefect gives each of them these variables."""
    given = get_current_settings().to_environment_variables(exclude_unset=True) | os.environ
    _settings_from(_prefect_variables(given))
    getattr(flow_engine, "Settings")  # noqa: B009 - another version of Prefect may not have it
    setattr(flow_engine, "Settings", settings_of_run)  # noqa: B010 - as above


def settings_of_run() -> Settings:
    """Return the settings of this flow run: those of the runner, unless its environment has others."""
    return _settings_from(_prefect_variables(os.environ))


@cache
def _settings_from(variables: frozenset[tuple[str, str]]) -> Settings:  # noqa: ARG001 - Prefect reads them itself
    """Return the settings that these variables give, which are read once for each set of variables."""
    return Settings()


def _prefect_variables(variables: Mapping[str, str]) -> frozenset[tuple[str, str]]:
    """Return the variables that hold settings of Prefect. Those with two underscores tell a run about itself."""
    own = {name: value for name, value in variables.items() if name.startswith("PREFECT_")}
    return frozenset((name, value) for name, value in own.items() if not name.startswith("PREFECT__"))


def _fork_this_process(path: object, args: Sequence[str], passfds: Sequence[int]) -> int:  # noqa: ARG001 - the signature of the original
    """Run the command of `python -c COMMAND` in a fork of this process, with these files alone; return its id."""
    gc.freeze()  # what is imported is never collected, so the fork's memory stays shared
    if child := os.fork():
        return child
    try:
        _close_all_but({0, 1, 2, *passfds})
        getattr(forkserver, "_forkserver")._lock._at_fork_reinit()  # noqa: B009, SLF001 - the thread that holds it is in the parent
        exec(args[-1], {})  # noqa: S102 - Python's own command
    except BaseException as end:  # noqa: BLE001 - a fork must not go on with what its parent does after starting it
        if not isinstance(end, SystemExit):
            sys.excepthook(type(end), end, end.__traceback__)
    finally:
        os._exit(0)


def _close_all_but(kept: set[int]) -> None:
    for file in {int(name) for name in os.listdir("/dev/fd")} - kept:  # noqa: PTH208 - it lists numbers, not paths
        with suppress(OSError):  # the folder itself, which was open while it was listed
            os.close(file)


def _forked(*args: Any, **kwargs: Any) -> Any:  # noqa: ANN401 - the signature of the original
    """Run Prefect's function with the fork server's context in place of the spawn context that it asks for by name.

    The run gets no settings of its own: they are those of `settings_of_run`, and it would check each of them again.
    """
    kwargs["context"] = serialize_context() | {"settings_context": {}}
    fork_server, original = multiprocessing.get_context("forkserver"), multiprocessing.get_context

    def get_context(method: str | None = None) -> Any:  # noqa: ANN401, ARG001 - the signature of the original
        return fork_server

    multiprocessing.get_context = get_context
    try:
        return run_flow_in_subprocess(*args, **kwargs)
    finally:
        multiprocessing.get_context = original
