"""What happens when a time is over in which people could have answered: an authorised act, or generic words."""

from __future__ import annotations

from datetime import datetime

from allclear.domain.action import ActStatus, Outcome, Verdict
from allclear.domain.base import Clock
from allclear.domain.errors import Moved
from allclear.domain.incident import AskState, Incident
from allclear.domain.records import ActFinished, AskVoided, By, NoteTaken, StepDone, WindowPassed
from allclear.domain.runbook import Phase
from allclear.engine.conductor import Conductor
from allclear.journal.port import Errand, ErrandKind, Journal

BY = By(actor="allclear", via="window")


class Windows:
    """Watches the windows of open asks. Any process may; an ask's window passes once."""

    def __init__(self, journal: Journal, conductor: Conductor, clock: Clock) -> None:
        self._journal = journal
        self._conductor = conductor
        self._clock = clock

    def waiting(self) -> list[tuple[datetime, str, str]]:
        """Returns when which window passes, with incident and ask, the next one first."""
        found: list[tuple[datetime, str, str]] = []
        for row in self._journal.incidents(open_only=True):
            incident = self._conductor.incident(row.id)
            found += [
                (state.ask.window.until, row.id, state.ask.id)
                for state in incident.open_asks
                if state.ask.window and not _looked_in_vain(incident, state)
            ]
        return sorted(found)

    async def let_pass(self) -> list[str]:
        """Lets every window pass whose time is over, and returns the asks. Raises JournalError, VendorError."""
        passed: list[str] = []
        for until, incident_id, ask_id in self.waiting():
            if until <= self._clock():
                try:
                    await self._pass(self._conductor.incident(incident_id), ask_id)
                except Moved:  # somebody answered in this very moment
                    continue
                passed.append(ask_id)
        return passed

    async def _pass(self, incident: Incident, ask_id: str) -> None:
        state = incident.asks[ask_id]
        if not state.open or state.ask.window is None:
            return
        if state.ask.window.then == "act":
            wake = Errand(ErrandKind.RESUME, incident.id, f"window:{ask_id}", {"ask": ask_id})
            self._journal.append(incident.id, [WindowPassed(ask=ask_id)], BY, expect=incident.length, errands=[wake])
            return
        await self._generic(incident, state)

    async def _generic(self, incident: Incident, state: AskState) -> None:
        """Nobody answered, and if the service is failing still, the generic words go out in place of the step's own."""
        ask, runbook = state.ask, self._conductor.runbook(incident)
        step = runbook.step(Phase(ask.phase), ask.step)
        finding = await self._conductor.look(runbook.health, self._conductor.words(incident))
        seen = StepDone(phase=ask.phase, step=f"{ask.step}-unanswered", title="Still failing?", finding=finding)
        if finding.verdict is not Verdict.FAILURE or step is None or ask.act is None:
            self._journal.append(incident.id, [seen], BY, expect=incident.length)
            return
        why = f"nobody answered in time, and the service is failing still: {_bare(finding.sentence)}"
        given_up = Outcome(status=ActStatus.REJECTED, changed=False, sentence="Nobody answered; generic words go out.")
        self._journal.append(
            incident.id,
            [seen, AskVoided(ask=ask.id, why=why), ActFinished(act=ask.act, outcome=given_up),
             NoteTaken(text=f"The generic text goes out: {why}.")],
            BY, expect=incident.length,
        )  # fmt: skip
        await self._conductor.propose_generic(self._conductor.incident(incident.id), Phase(ask.phase), step, BY)
        wake = Errand(ErrandKind.RESUME, incident.id, f"window:{ask.id}", {"ask": ask.id})
        self._journal.append(incident.id, [], BY, errands=[wake])


def _looked_in_vain(incident: Incident, state: AskState) -> bool:
    """Says whether its window passed already and the service was not failing: then the question simply stays."""
    ask = state.ask
    seen = incident.step(ask.phase, f"{ask.step}-unanswered")
    return ask.window is not None and ask.window.then == "generic" and seen is not None and seen.at >= ask.window.until


def _bare(sentence: str) -> str:
    return sentence.rstrip(".")
