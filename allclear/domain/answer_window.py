"""What a question says now about the time in which it can be answered: the promise, or what became of it."""

from __future__ import annotations

from datetime import datetime, tzinfo

from allclear.domain.approval import AnswerWindow
from allclear.domain.ask_state import AskState
from allclear.domain.incident import Incident
from allclear.domain.local_times import named_clock

_PROMISES = ("It is done automatically at ", "If no one answers by ")
"""How the paragraph of a question begins that was true when it was asked."""


def window_check_key(step: str) -> str:
    """Return the name of the health check that is made when an answer window ends: `roll-back-window`."""
    return f"{step}-window"


def window_words(incident: Incident, state: AskState, now: datetime, zone: tzinfo) -> str:
    """Return what happens without an answer, as it is at `now`; empty if nothing does."""
    window = state.ask.window
    if window is None:
        return ""
    at = named_clock(window.until, zone, "%H:%M:%S")
    if incident.held:
        return "Nothing is done automatically while the incident is held: it waits for an answer."
    checked = incident.step(state.ask.phase, window_check_key(state.ask.step))
    if checked is None or checked.number < state.number:
        return _promise(window, at) if now < window.until else f"No one answered by {at}. The service is checked now."
    if window.then == "act":
        return f"It was not done automatically at {at}, so it waits for an answer."
    return (
        f"No one answered by {at}, and the standard text was not sent, because the service did not fail then or an "
        "alert gave a reason against it. It is sent if a later check shows that the service fails."
    )


def is_promise(paragraph: str) -> bool:
    """Return whether the paragraph of a question says what happens without an answer."""
    return any(promise in paragraph for promise in _PROMISES)


def _promise(window: AnswerWindow, at: str) -> str:
    if window.then == "act":
        return f"It is done automatically at {at}, unless a person says no before."
    return (
        f"If no one answers by {at} and the service is still failing, the standard text is sent. It is not sent if no "
        "alert is authenticated, an alert is flapping, or there is an alert storm."
    )
