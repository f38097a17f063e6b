"""Runs a simulated production: in this process for a test, or as a process of its own for a drill.

As a process it prints its addresses in its first line, and runs until SIGINT or SIGTERM.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import uuid
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from allclear.domain.errors import ConfigError
from allclear.simulator.apis.catalog import APIS, FAULT_POINTS, impossible_faults
from allclear.simulator.apis.cloud_run.grpc import serve_grpc
from allclear.simulator.apis.cloud_run.service import CloudRun
from allclear.simulator.apis.drill_control import ControlApi
from allclear.simulator.apis.website import WebsiteApi
from allclear.simulator.event_log import Clock, utc_now
from allclear.simulator.http_server import HttpServer, made_when_asked
from allclear.simulator.mail_server import NAME as MAIL
from allclear.simulator.mail_server import MailServer
from allclear.simulator.mail_server import new_secret as new_mail_secret
from allclear.simulator.regional_services import RegionalService
from allclear.simulator.scenario import Production, load_scenario
from allclear.simulator.world import World

_PARENT_CHECK = 0.5
"""Seconds between two checks whether the parent process still lives."""


class Simulation:
    """A simulated production that runs for as long as the `async with` block.

    `endpoints`, `control` and `secrets` are what clients need to connect. `id` is a new one each time.
    `world` is the state itself, for code in the same process.
    """

    world: World

    def __init__(self, scenario: Production, clock: Clock = utc_now) -> None:
        """Raise ConfigError for a fault of the scenario that no call can meet."""
        for place, why in impossible_faults(scenario):
            raise ConfigError(f"production.faults[{place}]: {why}.", "Correct the fault, or take it out.")
        self.scenario, self._clock = scenario, clock
        self.id = uuid.uuid4().hex
        self.endpoints: dict[str, str] = {}
        self.control = ""
        self._apis = [api for api in APIS if api.exists(scenario)]
        self.secrets = {api.name: secret for api in APIS if (secret := api.new_secret())}
        self.secrets |= {
            f"{api.name}.{name}": secret for api in APIS for name, secret in api.new_further_secrets().items()
        }
        self.secrets[MAIL] = new_mail_secret()
        self._http = HttpServer()
        self._mail: MailServer | None = None
        self._grpc: Any = None
        self._users: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        """Serve every API, and start the clock of the scenario."""
        self.world = world = World(self.scenario, self._clock)
        world.secrets = self.secrets
        world.faults.points = FAULT_POINTS
        for fault in self.scenario.faults:
            world.faults.set(fault)
        for api in self._apis:
            address = self._http.add(made_when_asked(partial(api.app, world, self.secrets.get(api.name, ""))))
            self.endpoints[api.name] = address + api.base_path
        self.control = self._http.add(made_when_asked(ControlApi(world).app))
        for service in world.regional_services:
            service.url = self._address_of(service)
        await self._http.start()
        self._grpc, port = await serve_grpc(CloudRun(world))
        self.endpoints["cloud_run_grpc"] = f"127.0.0.1:{port}"
        self._mail = MailServer(world, self.secrets[MAIL])
        self.endpoints[MAIL] = await self._mail.start()
        world.start()
        self._users = asyncio.create_task(world.users.arrive())
        return self

    def _address_of(self, service: RegionalService) -> str:
        """Return where users reach a service: the shop's address, unless there are several services behind it."""
        if len(self.world.regional_services) == 1:
            return self.endpoints["storefront"]
        return self._http.add(WebsiteApi(self.world, service).app())

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Stop the arrival of users, and close every API."""
        if self._users is not None:
            self._users.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._users
        self.world.close()
        if self._mail is not None:
            await self._mail.stop()
        if self._grpc is not None:
            await self._grpc.stop(grace=0.2)
        await self._http.stop()

    def announcement(self) -> dict[str, Any]:
        """Return where everything is, as the first line of `--json` has it."""
        options = {api.name: found for api in self._apis if (found := api.options(self.scenario))}
        return {
            "id": self.id,
            "endpoints": self.endpoints,
            "control": self.control,
            "secrets": self.secrets,
            "options": options,
        }


def run(path: Path, *, as_json: bool, parent: int | None = None, waits: bool = False) -> None:
    """Simulate a scenario until SIGINT or SIGTERM, or until process `parent` is gone.

    With `waits` the trouble starts on `POST /break` of the control API.
    Raises ConfigError: the scenario cannot be used.
    """
    with contextlib.suppress(KeyboardInterrupt, BrokenPipeError):
        asyncio.run(serve(path, as_json=as_json, parent=parent, waits=waits))


async def serve(scenario_path: Path, *, as_json: bool, parent: int | None = None, waits: bool = False) -> None:
    """Simulate a scenario: print its addresses on standard output, then run until SIGINT or SIGTERM.

    Raises ConfigError: the scenario cannot be used; nothing has been started then.
    """
    scenario = load_scenario(scenario_path)
    if waits:
        scenario = scenario.model_copy(update={"breaks_after": None})
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for told in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(told, stop.set)
    watch = asyncio.create_task(_watch(parent, stop)) if parent is not None else None
    try:
        async with Simulation(scenario) as simulation:
            said = simulation.announcement()
            print(json.dumps(said) if as_json else _page(scenario, said), flush=True)  # noqa: T201
            await stop.wait()
    finally:
        if watch is not None:
            watch.cancel()


async def _watch(parent: int, stop: asyncio.Event) -> None:
    is_ours = os.getppid() == parent
    # No event tells of the end of a process that is not our child.
    while _lives(parent) and (not is_ours or os.getppid() == parent):  # noqa: ASYNC110
        await asyncio.sleep(_PARENT_CHECK)
    stop.set()


def _lives(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _page(scenario: Production, said: dict[str, Any]) -> str:
    services = [f"{one.service} in {one.region}" for one in (scenario, *scenario.other_services)]
    lines = [f"SIMULATED production of {scenario.project}: {', '.join(services)}", ""]
    lines += [f"  {name:<17} {address}" for name, address in said["endpoints"].items()]
    lines += [f"  {'control':<17} {said['control']}", "", "Secrets, for this run only:"]
    lines += [f"  {name:<17} {secret}" for name, secret in said["secrets"].items()]
    return "\n".join([*lines, "", "Stop it with Ctrl-C."])
