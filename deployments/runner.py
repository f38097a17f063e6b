"""Registers every deployment of one company and runs what is started: `python -m deployments.runner`.

*Source:* Prefect 3.8: `Runner(query_seconds=…)` takes floats where `serve()` takes no poll time at all.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import threading

from prefect import get_client
from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.actions import DeploymentUpdate
from prefect.runner import Runner
from prefect.types.entrypoint import EntrypointType
from prefect.utilities.callables import parameter_schema

from allclear.company import find_company
from allclear.domain.errors import AllclearError, Unreachable
from allclear.settings import load_settings
from deployments.catalog import Offer, choices, offers, with_choices
from deployments.fork_server import start_warm

POLL_SECONDS = 0.5
"""How often the runner asks Prefect for work: a click reaches the flow's first line in about two seconds."""


_PATIENCE = 120
"""Seconds that Prefect's server is waited for; its first start takes half a minute."""


_STOP_SECONDS = 5.0


class _Runner(Runner):
    """Prefect's runner, which ends when it is told to, and its flow runs with it, even when Prefect is gone."""

    def handle_sigterm(self, *args: object, **kwargs: object) -> None:
        """Stop; without a server to tell of it, Prefect's own way of stopping has no end."""
        if os.getpgrp() == os.getpid():  # the group is ours alone: so `allclear up` and drills start it
            killing = threading.Timer(_STOP_SECONDS, os.killpg, (os.getpgrp(), signal.SIGKILL))
            killing.daemon = True
            killing.start()
        super().handle_sigterm(*args, **kwargs)


async def main() -> None:
    """Register and serves until it is stopped. Raises AllclearError for a company that cannot be loaded."""
    start_warm()
    settings = load_settings()
    company = find_company(settings.company)
    simulated = settings.simulated is not None
    runner = _Runner(name=f"allclear-{company.name}", query_seconds=POLL_SECONDS, limit=None, pause_on_shutdown=False)
    offered = choices(company)
    async with get_client() as client:
        await _prefect_answers(client)
        for offer in offers(company):
            deployment = await runner.aadd_flow(
                offer.flow,
                name=company.name,
                description=_description(offer, simulated=simulated),
                tags=["SIMULATED" if simulated else "real", offer.kind],
                schedule=offer.schedule,
                parameters=offer.parameters,
                entrypoint_type=EntrypointType.MODULE_PATH,
            )
            shape = with_choices(parameter_schema(offer.flow).model_dump(), offered)
            await client.update_deployment(
                deployment, DeploymentUpdate.model_validate({"parameter_openapi_schema": shape})
            )
    print(f"serving {len(offers(company))} deployments of {company.name}", flush=True)  # noqa: T201 - allclear up waits for it
    await runner.start()


async def _prefect_answers(client: PrefectClient) -> None:
    """Wait for Prefect's server: it may have been started together with us."""
    for _ in range(_PATIENCE * 5):
        if await client.api_healthcheck() is None:
            return
        await asyncio.sleep(0.2)
    raise Unreachable(f"Prefect does not answer at {client.api_url}.", "Start it: prefect server start.")


def _description(offer: Offer, *, simulated: bool) -> str:
    banner = (
        "**SIMULATED: a simulated production stands behind this; nothing real is touched.**\n\n" if simulated else ""
    )
    return banner + (offer.flow.description or "")


if __name__ == "__main__":
    try:
        asyncio.run(main())
    except AllclearError as error:
        print(f"{error.message}\n→ {error.next_step}", file=sys.stderr)  # noqa: T201 - a command's own voice
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        sys.exit(0)
