"""The runner: it registers every deployment of one company and runs what is started. `python -m deployments.runner`.

*Source:* Prefect 3.8: `Runner(query_seconds=…)` takes fractions of a second; `serve()` takes no poll interval at all.
`POST /deployments/` adds a deployment, or changes the one of that flow with the same name, with its form and schedule.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sys
import threading
from collections.abc import Iterable
from typing import Self
from uuid import UUID

from httpx import HTTPError
from prefect import get_client
from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.actions import DeploymentScheduleCreate
from prefect.client.schemas.filters import DeploymentFilter, DeploymentFilterId, FlowFilter, FlowFilterName
from prefect.exceptions import PrefectException
from prefect.runner import Runner
from prefect.types.entrypoint import EntrypointType

from allclear.company import Company, find_company
from allclear.domain.errors import AllclearError, Unreachable
from allclear.engine.actions.registry import Registry
from allclear.settings import load_settings
from allclear.trusted_certificates import trusted_certificates
from deployments.catalog import DeploymentSpec, deployments_of
from deployments.due_runs import DueRuns
from deployments.fork_server import start_fork_server
from deployments.shared_tls import share_tls_context

log = logging.getLogger("allclear.runner")

POLL_SECONDS = 0.5
"""Seconds between two requests for work: a click reaches the flow's first line in about two seconds."""

_PREFECT_SECONDS = 600
"""How long to wait for Prefect's server; its first start takes half a minute, and minutes on a busy machine."""

_REGISTER_AGAIN_SECONDS = 10.0
"""Seconds between two checks whether every deployment is still registered."""

_STOP_SECONDS = 5.0
"""How long Prefect's own way of stopping may take before the process group is killed."""


class _Runner(Runner):
    """Prefect's runner, which stops on SIGTERM together with its flow runs, even if Prefect's server is gone."""

    def __init__(self, company: str, *, simulated: bool) -> None:
        super().__init__(name=f"allclear-{company}", query_seconds=POLL_SECONDS, limit=None, pause_on_shutdown=False)
        self._simulated = simulated

    def handle_sigterm(self, *args: object, **kwargs: object) -> None:
        """Stop. Prefect's own way of stopping never ends without a server, so a timer ends it."""
        if os.getpgrp() == os.getpid():  # `allclear up` and drills start it in a group of its own
            killing = threading.Timer(_STOP_SECONDS, os.killpg, (os.getpgrp(), signal.SIGKILL))
            killing.daemon = True
            killing.start()
        super().handle_sigterm(*args, **kwargs)

    async def __aenter__(self) -> Self:
        """Start, with a client that polls without a write each time."""
        entered = await super().__aenter__()
        due_runs = DueRuns(self._client)
        setattr(self._client, "get_scheduled_flow_runs_for_deployments", due_runs.read)  # noqa: B010 - of Prefect's class
        return entered

    async def register(self, client: PrefectClient, specs: Iterable[DeploymentSpec]) -> dict[UUID, DeploymentSpec]:
        """Register deployments with their forms, serve them from now on, and return them by their ids.

        `aadd_flow` would send four requests for each deployment, and its form needs a fifth. At each start that took
        three seconds of processor time in Prefect's server.
        """
        flows: dict[str, UUID] = {}
        registered: dict[UUID, DeploymentSpec] = {}
        for spec in specs:
            if spec.flow.name not in flows:
                flows[spec.flow.name] = await client.create_flow_from_name(spec.flow.name)
            registered[await self._register(client, spec, flows[spec.flow.name])] = spec
        return registered

    async def _register(self, client: PrefectClient, spec: DeploymentSpec, flow: UUID) -> UUID:
        described = await spec.flow.ato_deployment(
            name=spec.name,
            description=_description(spec, simulated=self._simulated),
            tags=["SIMULATED" if self._simulated else "real", spec.kind],
            schedule=spec.schedule,
            parameters=spec.parameters,
            entrypoint_type=EntrypointType.MODULE_PATH,
        )
        deployment = await client.create_deployment(
            flow_id=flow,
            name=spec.name,
            version=described.version,
            paused=described.paused,
            schedules=[one for one in described.schedules or [] if isinstance(one, DeploymentScheduleCreate)],
            parameters=spec.parameters,
            description=described.description,
            tags=described.tags,
            entrypoint=described.entrypoint,
            enforce_parameter_schema=described.enforce_parameter_schema,
            parameter_openapi_schema=spec.form,
        )
        self._deployment_registry.register_deployment(deployment, spec.name)
        self._deployment_registry.register_flow(deployment, spec.flow)
        return deployment


def main() -> None:
    """Register the deployments and serve them until stopped. Raises AllclearError if the company cannot be loaded."""
    settings = load_settings()
    company, registry = find_company(settings.company), Registry.installed()
    share_tls_context()
    trusted_certificates()  # the runs are forks of this process, and have it
    start_fork_server(company, registry)
    asyncio.run(_serve(company, registry, simulated=settings.simulated is not None))


async def _serve(company: Company, registry: Registry, *, simulated: bool) -> None:
    runner = _Runner(company.name, simulated=simulated)
    specs = deployments_of(company, registry)
    async with get_client() as client:
        await _wait_for_prefect(client)
        registered = await runner.register(client, specs)
        await _remove_others(client, {spec.flow.name for spec in specs}, [*registered])
    print(f"serving {len(specs)} deployments of {company.name}", flush=True)  # noqa: T201 - allclear up waits for it
    keeping = asyncio.create_task(_keep_registered(runner, registered))
    try:
        await runner.start()
    finally:
        keeping.cancel()


async def _keep_registered(runner: _Runner, registered: dict[UUID, DeploymentSpec]) -> None:
    """Register again what a person deletes in Prefect, until cancelled: without it no phase and no question is run."""
    while True:
        await asyncio.sleep(_REGISTER_AGAIN_SECONDS)
        try:
            async with get_client() as client:
                await _register_deleted(runner, client, registered)
        except (PrefectException, HTTPError) as error:  # Prefect is away, or busy: the next round tries again
            log.warning("Checking the deployments in Prefect failed; will retry. %s", error)


async def _register_deleted(runner: _Runner, client: PrefectClient, registered: dict[UUID, DeploymentSpec]) -> None:
    ours = DeploymentFilter(id=DeploymentFilterId(any_=[*registered]))
    there = {deployment.id for deployment in await client.read_deployments(deployment_filter=ours)}
    deleted = [deployment for deployment in registered if deployment not in there]
    for deployment in deleted:
        spec = registered.pop(deployment)
        registered |= await runner.register(client, [spec])
        log.warning('The deployment "%s" was deleted in Prefect; it is registered again.', spec.name)


async def _remove_others(client: PrefectClient, flows: set[str], kept: list[UUID]) -> None:
    """Remove what an earlier start registered for these flows and this one did not: its action no longer works."""
    of_ours = FlowFilter(name=FlowFilterName(any_=sorted(flows)))
    for deployment in await client.read_deployments(flow_filter=of_ours):
        if deployment.id not in kept:
            await client.delete_deployment(deployment.id)


async def _wait_for_prefect(client: PrefectClient) -> None:
    """Return once Prefect's server answers: it may have been started together with the runner. Raises Unreachable."""
    for _ in range(_PREFECT_SECONDS * 5):
        if await client.api_healthcheck() is None:
            return
        await asyncio.sleep(0.2)
    raise Unreachable(f"Prefect does not answer at {client.api_url}.", "Start it: prefect server start.")


def _description(spec: DeploymentSpec, *, simulated: bool) -> str:
    banner = "**SIMULATED: this acts on a simulated production; nothing real is touched.**\n\n" if simulated else ""
    return banner + spec.description


if __name__ == "__main__":
    try:
        main()
    except AllclearError as error:
        print(f"{error.message}\n→ {error.next_step}", file=sys.stderr)  # noqa: T201 - a command's output
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        sys.exit(0)
