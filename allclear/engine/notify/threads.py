"""What is due in the thread under an incident's summary message: each turn, and a card for each question.

The summary is the live message of a channel (`allclear.domain.notify.channel`); only its thread notifies people,
because an updated message notifies no one. What is due follows from the record alone, as for reminders. A card is
posted when its question is asked, and updated once when the question is closed: then its buttons vanish.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from allclear.domain.act import Act
from allclear.domain.action import ActStatus
from allclear.domain.ask_state import AskState
from allclear.domain.incident import Incident
from allclear.domain.notify.channel import Channel
from allclear.domain.pseudo_phases import THREAD
from allclear.domain.runbook import Phase, Runbook
from allclear.domain.states import Turn
from allclear.domain.template_values import waiting
from allclear.engine.notify.message_retries import next_try

NEWS_FOR = timedelta(hours=1)
"""How long a turn is news. One that could not be posted for longer is in the summary, and is posted no more."""


@dataclass(frozen=True)
class DuePost:
    """A post that has to be sent in a thread, or a card that has to be updated."""

    channel: Channel
    summary: Act
    """The act that posted the summary."""
    key: str
    """Identifies the message in the thread, as `turn-17`."""
    step: str
    """The act's step in the record, as `detect-internal-alert-turn-17`."""
    due: datetime
    about: Turn | AskState
    closed: bool = False
    """For a card: whether the question is closed."""


def due_posts(incident: Incident, runbook: Runbook, channels: Iterable[Channel], now: datetime) -> Iterator[DuePost]:
    """Yield the posts that were not sent yet, or failed: the turns in order, then the cards."""
    for channel, summary, prefix in _threads(incident, runbook, channels):
        for turn in incident.turns:
            key = f"turn-{turn.number}"
            step = f"{prefix}-{key}"
            begun = incident.act_of(THREAD, step) is not None
            if turn.number > summary.number and (begun or now - turn.at < NEWS_FOR):
                due = next_try(incident, THREAD, step, turn.at)
                if due:
                    yield DuePost(channel, summary, key, step, due, turn)
        yield from _cards(incident, channel, summary, prefix)


def _threads(incident: Incident, runbook: Runbook, channels: Iterable[Channel]) -> Iterator[tuple[Channel, Act, str]]:
    """Yield each summary that was sent: its channel, its act, and how its thread's steps begin."""
    by_action = {channel.action: channel for channel in channels}
    for phase in Phase:
        for step in runbook.steps(phase):
            summary = incident.act_of(phase, step.id)
            channel = by_action.get(step.action or "") if step.live else None
            if channel and summary and summary.outcome and summary.outcome.good:
                yield channel, summary, f"{phase.value}-{step.id}"


def _cards(incident: Incident, channel: Channel, summary: Act, prefix: str) -> Iterator[DuePost]:
    is_open = {state.ask.id for state in waiting(incident)}
    for ask_id, state in incident.asks.items():
        key = f"ask-{state.number}"
        step = f"{prefix}-{key}"
        posted, closed = incident.act_of(THREAD, step), ask_id not in is_open
        if closed and not _may_stand(posted):
            continue  # it was answered before its card could be posted: the answer is a turn of its own
        step = f"{step}-closed" if closed else step
        due = next_try(incident, THREAD, step, state.opened)
        if due:
            yield DuePost(channel, summary, key, step, due, state, closed=closed)


def _may_stand(card: Act | None) -> bool:
    """Return whether a card is in the channel, or may be because its answer was lost."""
    return card is not None and card.outcome is not None and card.status in {ActStatus.VERIFIED, *_DOUBTFUL}


_DOUBTFUL = frozenset({ActStatus.APPLIED, ActStatus.UNVERIFIED, ActStatus.INDETERMINATE})
