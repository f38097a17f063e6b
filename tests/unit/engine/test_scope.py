"""A drill that shares a journal with the real response: neither finds the other's incidents."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from allclear.bootstrap import Engine, make_engine
from allclear.domain.action import ActStatus
from allclear.domain.base import utc_now
from allclear.domain.baseline import Baseline
from allclear.domain.errors import NotFound
from allclear.domain.plan import RotaOverride
from allclear.domain.records import ActIntended, NoteAdded
from allclear.domain.runbook import Phase
from allclear.engine.actions.auto_approval import acted_recently
from allclear.engine.actions.known_good import JournalRecord
from allclear.engine.people.declare import Declaration
from allclear.journal.sql_journal import SqlJournal
from allclear.settings import Settings
from tests.scenario.response_support import installed, new_journal
from tests.scenario.scenes import Scene, scene
from tests.scenario.test_approval_timeouts import STREAMS, automatic, streams
from tests.scopes import DRILL, REAL


def real_beside(it: Scene) -> Engine:
    """Return the real company's engine on the drill's journal."""
    settings = Settings(company="vintstreet", journal_url=it.engine.settings.journal_url)
    return make_engine(settings, environ={}, clock=it.watch, company=automatic(), registry=installed())


async def test_an_automatic_action_of_a_drill_rules_out_no_real_one(tmp_path: Path) -> None:
    """The drill has just switched a flag off automatically; for the real flag of that name this does not count."""
    async with scene(tmp_path, automatic(), streams(), STREAMS) as it:
        await it.past_detection()
        it.watch.now += timedelta(seconds=61)
        await it.engine.approval_timeouts.apply_due()
        await it.to(Phase.CONTAIN)
        act = it.incident.act_of(Phase.CONTAIN, "disable-flag")
        assert act is not None
        assert act.outcome is not None
        assert act.outcome.status is ActStatus.VERIFIED
        real = real_beside(it)
        taken = real.intake.take(replace(STREAMS, key="real"), "real-1")
        assert taken.incident not in {None, it.incident.id}
        incident = real.conductor.incident(taken.incident or "")
        assert acted_recently(it.engine.journal, it.incident, act.proposed.resource, it.watch.now)
        assert acted_recently(real.journal, incident, act.proposed.resource, it.watch.now) is None
        real.journal.close()


async def test_a_real_declaration_never_joins_the_incident_of_a_drill(tmp_path: Path) -> None:
    """The drill has an open incident of the same service and runbook, and a real incident is opened all the same."""
    async with scene(tmp_path, automatic(), streams(), STREAMS) as it:
        real = real_beside(it)
        opened = it.incident.opened
        declaration = Declaration(title="Down", severity="P0", service=opened.service, runbook=opened.runbook)
        by = real.people.who("Ana", "on_call", "cli")
        incident = real.people.declare(declaration, by).incident
        assert incident != it.incident.id
        assert real.people.declare(declaration, by).incident == incident
        onset = JournalRecord(it.engine.journal).onset(opened.service)
        assert onset == (it.incident.began_at or it.incident.opened_at)
        real.journal.close()


async def test_nothing_acts_on_an_incident_of_another_scope(tmp_path: Path) -> None:
    """A drill's incident is not found by the real engine: no move, no act, no answer and no note is written to it."""
    async with scene(tmp_path, automatic(), streams(), STREAMS) as it:
        await it.past_detection()
        real, length = real_beside(it), it.incident.length
        intent = ActIntended(act="contain/disable-flag", digest="", change={}, holder=real.journal.holder)
        by = real.people.who("Ana", "on_call", "cli")
        refused: list[Callable[[], object]] = [
            lambda: real.conductor.next_move(it.incident.id, Phase.CONTAIN),
            lambda: real.people.note(it.incident.id, "seen", by),
            lambda: real.journal.append(it.incident.id, [NoteAdded(text="seen")], by),
            lambda: real.journal.claim("flag", it.incident.id, "contain/disable-flag", timedelta(1), intent, by),
        ]
        for write in refused:
            with pytest.raises(NotFound, match=r"belongs to vintstreet/simulated.*works on vintstreet.*SIMULATION"):
                write()
        with pytest.raises(NotFound):
            await real.executor.carry_out(it.incident.id, "contain/disable-flag", by)
        assert it.incident.length == length
        real.journal.close()


def test_claims_baselines_and_overrides_are_those_of_the_scope(tmp_path: Path) -> None:
    """A baseline and an override of a drill are unknown to the real company."""
    url = new_journal(tmp_path)
    with closing(SqlJournal(url, REAL)) as real, closing(SqlJournal(url, DRILL)) as drill:
        drill.add_baselines([Baseline(resource="traffic:x", revision="good", at=utc_now(), noted_by="VS-1")])
        drill.add_override(RotaOverride(role="on_call", layer="primary", person="Ana", at=utc_now()))
        later = utc_now() + timedelta(hours=1)
        assert (len(drill.baselines("traffic:x", later)), real.baselines("traffic:x", later)) == (1, [])
        assert (len(drill.overrides("on_call")), real.overrides("on_call")) == (1, [])
