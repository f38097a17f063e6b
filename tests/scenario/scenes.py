"""An incident on the real engine with a simulated production behind it, and a clock that a test moves."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from pydantic import SecretStr

from allclear.bootstrap import Engine, make_engine
from allclear.company import Company
from allclear.domain.alert import Alert
from allclear.domain.approval import AutoApproval
from allclear.domain.base import utc_now
from allclear.domain.incident import Incident
from allclear.domain.runbook import Phase, Runbook
from allclear.engine.response.moves import Over, Wait
from allclear.settings import Settings
from allclear.simulator.scenario import Production
from tests.contract.simulator_support import Simulated, quick
from tests.scenario.response_support import ALERT, MACHINE, announced, installed, new_journal, vintstreet

STREAMS = replace(ALERT, key="streams", labels={"alertname": "LiveStreamFailures"}, authenticated=True)


def automatic() -> Company:
    """Return VintStreet with a broken-feature runbook that switches the flag off without an approval."""
    company = vintstreet()
    book = company.runbooks["broken-feature"]
    first, *rest = book.contain
    unasked = first.model_copy(update={"auto_approve": AutoApproval()})
    changed: Runbook = book.model_copy(update={"contain": [unasked, *rest]})
    return replace(company, runbooks=company.runbooks | {"broken-feature": changed})


def streams() -> Production:
    """Return the broken feature at its worst: every stream fails, and there are few users."""
    scenario = quick("broken-feature")
    flags = [
        flag.model_copy(update={"faults": [fault.model_copy(update={"error_rate": 1.0}) for fault in flag.faults]})
        for flag in scenario.flags
    ]
    users = scenario.users.model_copy(update={"per_second": 2.0})
    return scenario.model_copy(update={"flags": flags, "users": users})


@dataclass
class Watch:
    """A clock that a test moves."""

    now: datetime = datetime(2026, 11, 22, 3, 0, tzinfo=UTC)

    def __call__(self) -> datetime:
        """Return the time that the test has set."""
        return self.now


@dataclass
class Scene:
    """An incident under way, its clock, and the simulated production behind it."""

    engine: Engine
    watch: Watch
    simulated: Simulated
    incident_id: str

    @property
    def incident(self) -> Incident:
        """Return the incident as it is now."""
        return self.engine.conductor.incident(self.incident_id)

    async def to(self, phase: Phase) -> Wait | Over:
        """Carry the incident on in `phase` until it waits for people or the phase is over."""
        move = await self.engine.conductor.run(self.incident_id, phase, MACHINE)
        assert isinstance(move, Wait | Over)
        return move

    async def past_detection(self) -> Wait:
        """Confirm the trouble, advance the clock so that a second check may follow, and propose the containment."""
        assert isinstance(await self.to(Phase.DETECT), Over)
        self.watch.now += timedelta(seconds=11)
        move = await self.to(Phase.CONTAIN)
        assert isinstance(move, Wait)
        return move


@asynccontextmanager
async def scene(  # noqa: PLR0913 - each part of the scene
    folder: Path,
    company: Company,
    production: Production,
    alert: Alert,
    *,
    link_key: str = "",
    one_clock: bool = False,
    environ: dict[str, str] | None = None,
    page_url: str = "",
) -> AsyncGenerator[Scene]:
    """Yield an incident that `alert` opened.

    With a `link_key`, links in its messages are personal. With `one_clock`, the vendors have the test's clock, too.
    """
    watch = Watch()
    async with Simulated(production, watch if one_clock else utc_now) as simulated:
        settings = Settings(
            company="vintstreet",
            journal_url=new_journal(folder),
            simulation=announced(simulated, folder),
            link_key=SecretStr(link_key) if link_key else None,
            page_url=page_url,
        )
        engine = make_engine(settings, environ=environ or {}, clock=watch, company=company, registry=installed())
        try:
            taken = engine.intake.take(alert, "delivery-1")
            assert taken.incident is not None
            yield Scene(engine, watch, simulated, taken.incident)
        finally:
            await engine.close()
