"""Journals the proposals of notices: all that are worked out at the same time, in one transaction.

A plan may name hundreds of people. If each proposal was written alone, every other one would have to read the record
again, and the work would grow with the square of the number of people.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime

from allclear.domain.base import Clock
from allclear.domain.errors import ConcurrentWrite
from allclear.domain.incident import Incident
from allclear.domain.pseudo_phases import NOTICE
from allclear.engine.actions.message_acts import READS, MessageActs
from allclear.engine.actions.proposals import ActionRequest, Proposal
from allclear.engine.response.conductor import Conductor

Wanted = Callable[[Incident, str, datetime], ActionRequest | None]
"""Returns the message that a step of an incident is to send at a time; None if it is not due."""

Render = Callable[[datetime], ActionRequest]
"""Returns the message of the incident as it was when the message was worked out, with the words of a time."""


_TOGETHER = 0.05
"""Seconds that a notice waits for others to be journalled with it."""


@dataclass
class _Batch:
    """The notices of one incident that wait to be journalled, by step."""

    ready: dict[str, tuple[Render, Proposal]] = field(default_factory=dict[str, tuple[Render, Proposal]])
    task: asyncio.Task[dict[str, str]] | None = None


class NoticeBatches:
    """Journals the notices of all incidents of a company."""

    def __init__(self, conductor: Conductor, acts: MessageActs, wanted: Wanted, clock: Clock) -> None:
        self._clock = clock
        self._conductor = conductor
        self._acts = acts
        self._wanted = wanted
        self._open: dict[str, _Batch] = {}

    async def journal(self, incident_id: str, render: Render, step: str, proposal: Proposal) -> str | None:
        """Journal the proposal of a notice and return its act's id; None if the record asks for something else now.

        `render` tells whether its words would be others now, apart from the time. Raises AllclearError, ConcurrentWrite
        if other processes keep writing to the record.
        """
        batch = self._open.setdefault(incident_id, _Batch())
        batch.ready[step] = render, proposal
        if batch.task is None or batch.task.done():
            batch.task = asyncio.create_task(self._write(incident_id))
        acts = await asyncio.shield(batch.task)  # one notice that is cancelled must not stop the others
        return acts.get(step)

    async def _write(self, incident_id: str) -> dict[str, str]:
        """Journal what is ready and still to be sent, and return the act of each step.

        Nothing else runs in this event loop between the read and the write, so that only another process or thread can
        write in between.
        """
        await asyncio.sleep(_TOGETHER)
        ready = self._open.pop(incident_id).ready
        for _ in range(READS):
            # The words of both messages are those of the same time: a text may name how long the trouble lasts.
            incident, now = self._conductor.incident(incident_id), self._clock()
            unchanged = {
                step: proposal
                for step, (render, proposal) in ready.items()
                if not _begun(incident, step) and _is_same(render(now), self._wanted(incident, step, now))
            }
            if not unchanged:
                return {}
            with suppress(ConcurrentWrite):
                acts = self._acts.journal(incident, list(unchanged.values()))
                return dict(zip(unchanged, acts, strict=True))
        raise ConcurrentWrite(f"Entries keep being written to {incident_id}.", "Try again in a moment.")


def _begun(incident: Incident, step: str) -> bool:
    """Return whether the newest act of a step has no result yet: another process sends it, or was interrupted."""
    act = incident.act_of(NOTICE, step)
    return act is not None and act.outcome is None


def _is_same(one: ActionRequest, other: ActionRequest | None) -> bool:
    """Return whether two requests send the same message, or are refused for the same reason."""
    return (
        other is not None
        and str(one.refused) == str(other.refused)
        and replace(one, refused=None) == replace(other, refused=None)
    )
