"""Flow runs that start warm: each is forked from a process that has everything imported already.

Importing Prefect, our flows and the vendors' clients takes seconds of processor time, and a response is a dozen runs.
Prefect's runner starts each in a freshly spawned interpreter; here the same call is made with Python's own fork
server, which has imported it all once and does nothing else (so there are no threads to fork badly).

*Source:* Prefect 3.8, `prefect/runner/_starter_direct.py`, whose docstring names `run_flow_in_subprocess` as the place
to override; Python's `multiprocessing.set_forkserver_preload`.
"""

from __future__ import annotations

import multiprocessing
from multiprocessing import forkserver
from typing import Any

from prefect.flow_engine import run_flow_in_subprocess
from prefect.runner import _starter_direct

PRELOAD = [
    "deployments.catalog",
    "tasks.cloud_run.actions",
    "tasks.feature_flags",
    "tasks.maintenance",
    "tasks.pagerduty",
    "tasks.slack",
    "tasks.statuspage",
    "tasks.http_probes",
    "tasks.prefect_task",
    "allclear.journal.entries",
    "allclear.journal.sqlite",
    "allclear.journal.postgres",
    "psycopg",
    "google.cloud.run_v2",
    "slack_sdk",
    "postgrest",
]
"""What every run would otherwise import for itself."""


def start_warm() -> None:
    """Start the fork server, and has the runner of this process use it from now on."""
    multiprocessing.set_forkserver_preload(PRELOAD)
    forkserver.ensure_running()
    setattr(_starter_direct, "run_flow_in_subprocess", _forked)  # noqa: B010 - it is no public name of that module


def _forked(*args: Any, **kwargs: Any) -> Any:  # noqa: ANN401 - the very call that it stands for
    """Prefect asks for the spawn context by name; for the length of this call, it gets the fork server's."""
    warm, asked = multiprocessing.get_context("forkserver"), multiprocessing.get_context

    def warm_context(method: str | None = None) -> Any:  # noqa: ANN401, ARG001 - the shape of what it stands for
        return warm

    multiprocessing.get_context = warm_context
    try:
        return run_flow_in_subprocess(*args, **kwargs)
    finally:
        multiprocessing.get_context = asked
