"""A rehearsal that shares a journal with the real response: neither takes the other's incidents for its own."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

from allclear.bootstrap import Engine, make_engine
from allclear.domain.action import ActStatus
from allclear.domain.runbook import Phase
from allclear.engine.actions.auto_approval import acted_recently
from allclear.engine.actions.known_good import JournalRecord
from allclear.engine.people.declare import Declaration
from allclear.settings import Settings
from tests.scenario.response_support import installed
from tests.scenario.scenes import Scene, scene
from tests.scenario.test_approval_timeouts import STREAMS, alone, streams


def real_beside(it: Scene) -> Engine:
    """Return the real company's engine on the rehearsal's journal."""
    settings = Settings(company="vintstreet", journal_url=it.engine.settings.journal_url)
    return make_engine(settings, environ={}, clock=it.watch, company=alone(), registry=installed())


async def test_what_a_rehearsal_did_by_itself_keeps_nothing_real_from_acting(tmp_path: Path) -> None:
    """The rehearsal switched the flag off a moment ago; of the real flag of that name nothing is known."""
    async with scene(tmp_path, alone(), streams(), STREAMS) as it:
        await it.past_detection()
        it.watch.now += timedelta(seconds=61)
        await it.engine.approval_timeouts.let_pass()
        await it.to(Phase.CONTAIN)
        act = it.incident.act_of(Phase.CONTAIN, "disable-flag")
        assert act is not None
        assert act.outcome is not None
        assert act.outcome.status is ActStatus.VERIFIED
        real = real_beside(it)
        taken = real.intake.take(replace(STREAMS, key="real"), "real-1")
        assert taken.incident not in {None, it.incident.id}
        incident = real.conductor.incident(taken.incident or "")
        assert acted_recently(real.journal, it.incident, act.proposed.resource, it.watch.now)
        assert acted_recently(real.journal, incident, act.proposed.resource, it.watch.now) is None
        real.journal.close()


async def test_a_declaration_never_joins_a_rehearsal(tmp_path: Path) -> None:
    """The rehearsal's incident is open on the same service, by the same runbook: a real one is opened beside it."""
    async with scene(tmp_path, alone(), streams(), STREAMS) as it:
        real = real_beside(it)
        rehearsed = it.incident.opened
        said = Declaration(title="Down", severity="P0", service=rehearsed.service, runbook=rehearsed.runbook)
        by = real.people.who("Ana", "on_call", "cli")
        incident = real.people.declare(said, by)
        assert incident != it.incident.id
        assert real.people.declare(said, by) == incident
        onset = JournalRecord(real.journal, "vintstreet", simulated=True).onset(rehearsed.service)
        assert onset == (it.incident.began_at or it.incident.opened_at)
        real.journal.close()
