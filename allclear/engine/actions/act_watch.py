"""Watches acts after their outcome: settles outcomes that no read has proven, and tells news of what is in place.

Nothing here writes to a vendor. An act whose write was not seen to take effect is read again, and the record says what
a later read shows. A change that is still in place is read once in a while: another person may have changed it, or a
deployment may get no users because of it.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from allclear.domain.act import Act
from allclear.domain.action import ActStatus, Fence, Outcome, State, Verdict
from allclear.domain.backoff import Backoff
from allclear.domain.base import Clock
from allclear.domain.errors import AllclearError
from allclear.domain.records import ActSettled, By, LedgerNoted
from allclear.engine.actions.executor import LEASE, Executor
from allclear.engine.actions.loaded_act import LoadedAct
from allclear.engine.concurrency import Sweep
from allclear.engine.incidents import read_incident
from allclear.journal.ports import Journal

log = logging.getLogger("allclear.acts")

BY = By(actor="allclear", via="act watch")

NEWS_EVERY = timedelta(seconds=30)
"""How often a change that is in place is read."""

SETTLED_WITHIN = timedelta(days=1)
"""How long after its outcome an unproven act is read again."""

_WATCHED_AFTER_END = timedelta(days=60)
"""How long after its end an incident may still have a change in place."""

_UNSETTLED = Backoff(first=2.0, factor=1.5, longest=300.0)
"""The pauses between two reads of an act whose outcome is not proven, in seconds."""

_AT_ONCE = 10
"""Acts that are read at the same time."""


@dataclass
class _Watched:
    """When an act is read next, and how often it was."""

    at: datetime
    reads: int = 0


class ActWatcher:
    """Watches the acts of one company. Every process may run one; each finding is recorded once."""

    def __init__(self, journal: Journal, executor: Executor, clock: Clock) -> None:
        self._journal = journal
        self._executor = executor
        self._clock = clock
        self._acts_of: dict[str, tuple[int, list[Act]]] = {}
        """Incident -> the length of its record, and the acts to watch as of that length."""
        self._watched: dict[str, _Watched] = {}
        self._sweep = Sweep(log, "check the act", _AT_ONCE)

    async def check(self, each: Callable[[], None] = lambda: None) -> list[str]:
        """Read every act that is due, and return the incidents whose record has grown. Raises JournalError."""
        now = self._clock()
        due = await asyncio.to_thread(self._due, now)
        written: list[str] = []
        visits = ((f"{incident} {act.id}", partial(self._visit, incident, act.id, written)) for incident, act in due)
        await self._sweep.visit_all(visits, lambda visit: visit(), each)
        return written

    # --- what is due -----------------------------------------------------------------------------------

    def _due(self, now: datetime) -> list[tuple[str, Act]]:
        due: list[tuple[str, Act]] = []
        known: set[str] = set()
        for row in self._journal.incidents(ended_since=now - _WATCHED_AFTER_END, with_tickets=True):
            length, acts = self._acts_of.get(row.id, (-1, []))
            if length != row.length:
                acts = self._to_watch(row.id)
                self._acts_of[row.id] = (row.length, acts)
            for act in acts:
                key = f"{row.id} {act.id}"
                known.add(key)
                watched = self._watched.setdefault(key, _Watched(_first_read(act, now)))
                if watched.at <= now and (_is_left(act) or now - (act.finished_at or now) <= SETTLED_WITHIN):
                    watched.reads += 1
                    pause = _UNSETTLED.pause(watched.reads) if act.unsettled else NEWS_EVERY.total_seconds()
                    watched.at = now + timedelta(seconds=pause)
                    due.append((row.id, act))
        self._watched = {key: watched for key, watched in self._watched.items() if key in known}
        return due

    def _to_watch(self, incident_id: str) -> list[Act]:
        try:
            incident = read_incident(self._journal, incident_id)
        except AllclearError as error:  # one damaged record must not hold up the other incidents
            log.warning("%s", error)
            return []
        return [act for act in incident.acts.values() if (act.unsettled or _is_left(act)) and self._readable(act)]

    def _readable(self, act: Act) -> bool:
        """Return whether a read can tell what became of the act: not for pages, and for few messages."""
        try:
            action = self._executor.action(act.proposed.action)
        except AllclearError:
            return False
        message = bool(action.text_params) and not action.found_again
        return not action.pages and not message and action.fence is not Fence.KEY

    # --- one act ---------------------------------------------------------------------------------------

    async def _visit(self, incident_id: str, act_id: str, written: list[str]) -> None:
        """Read one act's target and record what it shows. Raises VendorError if the target cannot be read."""
        incident = read_incident(self._journal, incident_id)
        act = incident.acts[act_id]
        if not act.unsettled and not _is_left(act):
            return
        loaded = self._executor.load(act)
        if act.unsettled:
            record = self._settled(act, loaded, await loaded.action.observe_result(loaded.params))
        else:
            record = _news(act, loaded, await loaded.action.observe_left(loaded.params))
        if record is None:
            return
        self._journal.append(incident.id, [record], BY, expect=incident.length)
        written.append(incident.id)

    def _settled(self, act: Act, loaded: LoadedAct, now: State) -> Any:  # noqa: ANN401 - a record, or None
        """Return the record of what became of the act, or None while the read cannot tell."""
        change = loaded.change
        finding = loaded.action.verify(change, now, None)
        if loaded.action.target_reached(change, now) and finding.verdict is Verdict.SUCCESS:
            outcome = Outcome(
                status=ActStatus.VERIFIED,
                changed=True,
                sentence=finding.sentence,
                after=now.model_dump(mode="json"),
                ticket=finding.ticket,
            )
            return ActSettled(act=act.id, outcome=outcome)
        if loaded.action.shows_late and finding.verdict is Verdict.INCONCLUSIVE:
            return None
        sent = act.intended_at or act.at
        if now.matters() != change.before.matters() or self._clock() - sent < max(LEASE, change.deadline):
            return None
        outcome = Outcome(
            status=ActStatus.FAILED,
            changed=False,
            sentence="It is as it was before: the write did not take effect, or it was taken back since.",
            after=now.model_dump(mode="json"),
            next_step="If it is still needed, start it again.",
        )
        return ActSettled(act=act.id, outcome=outcome)


def _first_read(act: Act, now: datetime) -> datetime:
    pause = timedelta(seconds=_UNSETTLED.first) if act.unsettled else NEWS_EVERY
    return (act.finished_at or now) + pause


def _is_left(act: Act) -> bool:
    return act.in_place and act.outcome is not None and act.outcome.good


def _news(act: Act, loaded: LoadedAct, now: State) -> LedgerNoted | None:
    """Return the record of news about a change that is in place, or None if there is none that was not told yet."""
    news = loaded.action.news_of(loaded.change, now)
    if news is None or news.key in {told.key for told in act.news}:
        return None
    return LedgerNoted(act=act.id, key=news.key, text=news.sentence, moved=news.moved)
