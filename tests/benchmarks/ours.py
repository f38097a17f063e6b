"""allclear as users start it: the responder in a process of its own, and people who answer from another."""

from __future__ import annotations

import asyncio
import json
import os
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
from pydantic import SecretStr

from allclear.bootstrap import Engine, make_engine
from allclear.company.load import load_company
from allclear.domain.base import utc_now
from allclear.domain.baseline import Baseline
from allclear.domain.errors import AllclearError
from allclear.domain.incident import Incident
from allclear.domain.records import AskAnswered, By, IncidentEnded
from allclear.settings import Settings
from allclear.stack import free_ports
from tests.benchmarks.company import REGIONS, write_company
from tests.benchmarks.processes import Process
from tests.benchmarks.production import PROJECT

TOKEN = "only-for-the-benchmark"
_PATIENCE = 120.0
_BY = By(actor="Ana Approver", role="on_call", via="cli")


class Ours:
    """One responder with a company, a journal and a simulated production; `start` begins it, and begins it again."""

    def __init__(self, home: Path, services: Sequence[str], simulation: dict[str, Any], prefect: str) -> None:
        self.home = home
        home.mkdir(parents=True)
        self._company = write_company(home / "runbooks" / "bench", services)
        store = simulation["endpoints"]["storefront"]
        endpoints = simulation["endpoints"] | {name: f"{store}/{name}" for name in services}
        described = home / "simulation.json"
        described.write_text(json.dumps(simulation | {"endpoints": endpoints}))
        self.port = free_ports(1)[0]
        self.url = f"http://127.0.0.1:{self.port}"
        self.settings = Settings(
            company="bench",
            journal_url=f"sqlite:///{home}/journal.db",
            responder_url=self.url,
            alert_token=SecretStr(TOKEN),
            simulation=described,
            PREFECT_API_URL=prefect,  # pyright: ignore[reportCallIssue] - its alias
        )
        self._environment = {
            "ALLCLEAR_RUNBOOKS": str(home / "runbooks"),
            "ALLCLEAR_COMPANY": "bench",
            "ALLCLEAR_JOURNAL_URL": self.settings.journal_url,
            "ALLCLEAR_RESPONDER_URL": self.url,
            "ALLCLEAR_ALERT_TOKEN": TOKEN,
            "ALLCLEAR_SIMULATION": str(described),
            "PREFECT_API_URL": prefect,
        }
        self.process: Process | None = None
        self._people: Engine | None = None

    def remember(self, services: Sequence[str]) -> None:
        """Record that each service's revision before the last was seen healthy, as after an earlier incident.

        Without it, other evidence sources decide whether the target is known to be good. If one is slow to answer, as
        when many alerts come at once, the rollback waits for people.
        """
        at = utc_now() - timedelta(days=1)
        place = f"traffic:projects/{PROJECT}/locations/{REGIONS[0]}/services"
        seen = [
            Baseline(resource=f"{place}/{name}", revision=f"{name}-good", at=at, noted_by="benchmark")
            for name in services
        ]
        self.people.journal.add_baselines(seen)

    def start(self) -> Process:
        """Start the responder and returns at once."""
        self.process = Process("allclear.responder", log=self.home / "log", environment=self._environment)
        return self.process

    def end(self) -> None:
        """End the responder."""
        if self.process:
            self.process.end()
        self.process = None

    @property
    def people(self) -> Engine:
        """Return the engine of this process: what people say goes through it into the journal, as from the CLI."""
        if self._people is None:
            environ, company = dict(os.environ), load_company(self._company)
            self._people = make_engine(self.settings, environ=environ, company=company)
        return self._people

    async def close(self) -> None:
        """End everything."""
        self.end()
        if self._people:
            await self._people.close()

    async def alert(self, http: httpx.AsyncClient, service: str) -> float:
        """Send the alert of a service and returns when that began, as `time.monotonic()`."""
        sent = time.monotonic()
        answer = await http.post(f"{self.url}/alerts/json", content=alert_body(service), headers=HEADERS)
        answer.raise_for_status()
        return sent

    async def waiting(self, service: str, asks: int = 1) -> Incident:
        """Return the service's incident once it waits for so many answers, and is quiet."""
        incident = await self.until(service, lambda one: len(one.open_asks) >= asks)
        await asyncio.sleep(0.4)
        return incident

    async def until(self, service: str, so: Callable[[Incident], bool]) -> Incident:
        """Return the service's incident as soon as `so` holds of it. Raises TimeoutError."""
        engine, end = self.people, time.monotonic() + _PATIENCE
        while time.monotonic() < end:
            for row in engine.journal.incidents(service=service):
                incident = engine.conductor.incident(row.id)
                if so(incident):
                    return incident
            await asyncio.sleep(0.1)
        raise TimeoutError(f"{service}: look at {self.home}/log")

    def approve(self, incident: Incident) -> float:
        """Says yes to everything that is asked and returns when that began.

        One ask is answered as the command line does it; several in one transaction, so that there is one beginning.
        """
        asks = [state.ask.id for state in incident.open_asks]
        began = time.monotonic()
        if len(asks) == 1:
            self.people.people.answer(asks[0], _BY, yes=True)
        else:
            self.people.journal.append(incident.id, [AskAnswered(ask=ask, yes=True) for ask in asks], _BY)
        return began

    def over(self, incident: Incident) -> None:
        """End an incident, so that the next round meets as few open ones as a company has."""
        with suppress(AllclearError):
            self.people.journal.append(
                incident.id, [IncidentEnded(ending="resolved", reason="The round is over.")], _BY
            )


HEADERS = {"authorization": f"Bearer {TOKEN}", "content-type": "application/json"}


def alert_body(service: str) -> bytes:
    """Return an alert in allclear's own JSON."""
    return json.dumps({"key": service, "title": f"{service} is failing", "labels": {"service": service}}).encode()
