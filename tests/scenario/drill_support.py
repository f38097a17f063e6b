"""A drill in one process: the real engine, responder, cast and simulated production, without Prefect.

The conductor carries the phases on, as it does in Prefect's flow runs. That takes a fifth of the processor time of a
whole stack, so every drill of every company can be played; tests/end_to_end plays some on whole stacks.
"""

from __future__ import annotations

import asyncio
import json
from contextlib import AsyncExitStack
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Self

from allclear.bootstrap import Engine, make_engine
from allclear.company import Company
from allclear.domain.base import utc_now
from allclear.domain.records import By
from allclear.domain.runbook import Phase
from allclear.drill.director import Played, play_on
from allclear.drill.script import Member, Script, find_script
from allclear.engine.response.moves import Over
from allclear.responder.app import make_app
from allclear.simulator.scenario import load_scenario
from allclear.simulator.serve import Simulation
from allclear.stack import Ports, Stack
from tests.unit.responder.responder_support import served

SOON = timedelta(milliseconds=50)
BY = By(actor="allclear", via="test")


class OneProcess(Stack):
    """A stack without Prefect, whose parts are in this process; it can be entered once."""

    def __init__(self, company: Company, home: Path, scenario: str, script: Script) -> None:
        super().__init__(
            company.name,
            home,
            Ports.free(),
            scenario,
            breaks=False,
            recovery_over=script.recovery_over,
            stand_ins=script.stand_in_names,
        )
        self._company = company
        self._open = AsyncExitStack()
        self._phases: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        """Start the simulated production, the responder, and what carries the phases on."""
        self.home.mkdir(parents=True, exist_ok=True)
        production = load_scenario(self._company.folder / "drills" / f"{self.scenario}.yaml")
        calm = production.model_copy(update={"breaks_after": None})
        simulation = await self._open.enter_async_context(Simulation(calm))
        (self.home / "simulation.json").write_text(json.dumps(simulation.announcement()))
        engine, responder = self._engine(), self._engine()
        self._open.push_async_callback(engine.close)
        self._open.push_async_callback(responder.close)
        app = make_app(responder, self.settings.alert_token)
        self._open.enter_context(served(app, port=self.ports.responder))
        self._phases = asyncio.create_task(_carry_on(engine))
        return self

    def _engine(self) -> Engine:
        return make_engine(self.settings, environ={}, company=self._company)

    async def stop(self) -> None:
        """Stop everything, the last started first."""
        if self._phases:
            self._phases.cancel()
            await asyncio.wait([self._phases])
        await self._open.aclose()

    async def watch(self) -> None:
        """Wait until the phases fail, which raises their error."""
        assert self._phases
        await self._phases


async def _carry_on(engine: Engine) -> None:
    """Carry every incident through its phases when something was written, and twice a second, until cancelled."""
    began = utc_now()
    while True:
        version = engine.journal.version()
        for incident in list(engine.conductor.incidents(ended_since=began)):  # the review comes after the end
            for phase in Phase:
                if not isinstance(await engine.conductor.run(incident.id, phase, BY), Over):
                    break
        for _ in range(5):
            await asyncio.sleep(0.1)
            if engine.journal.version() != version:
                break


def _patient(company: Company) -> Company:
    """Return the company without its limits of a page's time: on a busy machine, healthy pages are slow, too."""
    limits = {"p95": None, "timeout": timedelta(minutes=1)}
    services = {
        name: service.model_copy(update={"smoke": service.smoke.model_copy(update=limits)})
        for name, service in company.systems.services.items()
    }
    return replace(company, systems=company.systems.model_copy(update={"services": services}))


def _unseen(*_: object) -> None:
    """Show nothing."""


def _at_once(member: Member) -> dict[str, timedelta]:
    acknowledges = {} if member.acknowledges_after is None else {"acknowledges_after": SOON}
    return {"answers_after": SOON} | acknowledges


async def play_in_one_process(
    company: Company, scenario: str, home: Path, within: timedelta | None = None, slow: str = ""
) -> Played:
    """Play a company's drill with people who answer at once, and return its result.

    `within` replaces its own limit, which is left out otherwise. Only the question `slow` is answered as late as the
    script says.
    """
    _, script = find_script(company.folder, scenario)
    people = [one.model_copy(update=_at_once(one)) for one in script.people]
    answers = [line if line.ask == slow else line.model_copy(update={"after": None}) for line in script.answers]
    expect = script.expect.model_copy(update={"within": within or timedelta(minutes=10)})
    quick = script.model_copy(update={"people": people, "answers": answers, "expect": expect})
    patient = _patient(company)
    async with OneProcess(patient, home, scenario, quick) as stack:
        return await play_on(stack, patient, quick, on_entry=_unseen, on_progress=_unseen)
