"""What every row stands on: the production behind both sides, its record of the calls, and both sides themselves."""

from __future__ import annotations

import asyncio
import itertools
import json
import time
from collections.abc import Awaitable, Callable, Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, Self

import httpx

from allclear.stack import free_ports
from tests.benchmarks.company import REGIONS, names
from tests.benchmarks.ours import Ours
from tests.benchmarks.processes import Process

NOWHERE = "http://127.0.0.1:9/api"
"""An address that refuses: Prefect is down."""
WRITE = "UpdateService"
"""The call that contains."""


class Call(NamedTuple):
    """One call as the production met it; times are `time.monotonic()`."""

    kind: str
    place: str
    arrived: float
    answered: float


class Floor:
    """The bare webhook in a process of its own."""

    def __init__(self, home: Path, described: Path) -> None:
        self.home = home
        home.mkdir(parents=True)
        self.port = free_ports(1)[0]
        self.url = f"http://127.0.0.1:{self.port}"
        self._described = described
        self.process: Process | None = None

    def start(self) -> Process:
        """Start it and returns at once."""
        words = (str(self.port), str(self.home / "alerts.db"), str(self._described))
        self.process = Process("tests.benchmarks.floor", *words, log=self.home / "log")
        return self.process

    def end(self) -> None:
        """End it."""
        if self.process:
            self.process.end()
        self.process = None

    async def alert(self, http: httpx.AsyncClient, service: str, *, way: str, regions: Sequence[str] = ()) -> float:
        """Send an alert, or the decision itself, and returns when that began, as `time.monotonic()`."""
        sent = time.monotonic()
        answer = await http.post(f"{self.url}/alerts", content=floor_body(service, way, regions))
        answer.raise_for_status()
        return sent


def floor_body(service: str, way: str, regions: Sequence[str] = ()) -> bytes:
    """Return an alert as the floor takes it."""
    return json.dumps({"service": service, "way": way, "regions": list(regions or REGIONS[:1])}).encode()


class Ground:
    """The production, for as long as the `async with` block; and whatever was started on it, ended with it."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self._numbers = itertools.count(1)
        self._ours: list[Ours] = []
        self._floors: list[Floor] = []

    async def __aenter__(self) -> Self:
        """Start the production."""
        self.http = httpx.AsyncClient(timeout=60, trust_env=False)
        self.production = Process("tests.benchmarks.production", log=self.home / "production.log")
        self.simulation: dict[str, Any] = json.loads(await asyncio.to_thread(self.production.first_line))
        self.control = self.simulation["control"]
        self.prefect = self.control.replace("/control", "/prefect/api")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End everything."""
        for ours in self._ours:
            await ours.close()
        for floor in self._floors:
            floor.end()
        self.production.end()
        await self.http.aclose()

    # --- both sides ----------------------------------------------------------------------------------

    def new_ours(self, services: Sequence[str], *, prefect: str | None = None) -> Ours:
        """Return a responder that is not started yet, with a journal and a company of its own."""
        home = self.home / f"ours-{next(self._numbers)}"
        self._ours.append(Ours(home, services, self.simulation, prefect or self.prefect))
        return self._ours[-1]

    def new_floor(self) -> Floor:
        """Return a floor that is not started yet."""
        home, described = self.home / f"floor-{next(self._numbers)}", self.home / "simulation.json"
        described.write_text(json.dumps(self.simulation))
        self._floors.append(Floor(home, described))
        return self._floors[-1]

    async def started(self, *sides: Ours | Floor) -> None:
        """Start each, and returns when all have loaded what they need: as they are minutes after a deployment."""
        for side in sides:
            side.start()
        for side in sides:
            address = f"{side.url}/healthz" if isinstance(side, Ours) else f"{side.url}/alerts"
            await self.answers(side, lambda address=address: self.http.get(address))

    async def answers(self, side: Ours | Floor, ask: Callable[[], Awaitable[httpx.Response]]) -> httpx.Response:
        """Return the first answer to `ask`, which is sent again until a server answers."""
        while True:
            with suppress(httpx.HTTPError):
                return await ask()
            if side.process:
                side.process.alive()
            await asyncio.sleep(0.005)

    # --- what the production met -----------------------------------------------------------------------

    async def calls(self, place: str, kind: str = "") -> list[Call]:
        """Return the calls of places that begin with `place`, in order."""
        return await self._ask("calls", place=place, kind=kind)

    async def wait(self, place: str, kind: str = WRITE, count: int = 1, seconds: float = 60) -> list[Call]:
        """Return the calls of that kind once there are so many. Raises httpx.ReadTimeout."""
        return await self._ask("wait", seconds, place=place, kind=kind, count=str(count))

    async def hold(self, place: str) -> None:
        """Let calls to `place` hang until `release`."""
        await self.http.post(f"{self.control}/hold", params={"place": place})

    async def release(self) -> None:
        """Let them go on."""
        await self.http.post(f"{self.control}/release")

    async def _ask(self, what: str, seconds: float = 60, **said: str) -> list[Call]:
        answer = await self.http.get(f"{self.control}/{what}", params=said, timeout=seconds)
        return [Call(*one) for one in answer.json()]


def kinds(calls: Iterable[Call]) -> dict[str, int]:
    """Return how many calls of each kind there are."""
    found: dict[str, int] = {}
    for call in calls:
        found[call.kind] = found.get(call.kind, 0) + 1
    return dict(sorted(found.items()))


async def warmed(ground: Ground, floor: Floor) -> None:
    """Let the floor contain once, so that everything is loaded and connected; ours has proposed by then."""
    [name] = names("w", int(time.monotonic() * 10) % 9000 + 1, 1)
    await floor.alert(ground.http, name, way="whole")
    await ground.wait(name)
    await asyncio.sleep(0.3)
