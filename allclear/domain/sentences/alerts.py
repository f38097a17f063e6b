"""Sentences about alerts, and about alert storms."""

from __future__ import annotations

from allclear.domain.records import FIRES_AGAIN, AlertJoined, AlertsCollapsed, Entry, StormJoined, StormPassed
from allclear.domain.sentences.sentence import Sentence, SentenceContext
from allclear.domain.text import SHORT, bare, plain, stamp, with_full_stop


def describe(_: SentenceContext, entry: Entry) -> Sentence | None:
    """Return the sentence for a record about alerts; None for any other record."""
    match entry.record:
        case AlertJoined() as alert:
            return _joined(alert)
        case AlertsCollapsed(count=count):
            more = "one more alert" if count == 1 else f"{count} more alerts"
            return Sentence(f"Alerts come in masses: {more}, counted and not told one by one.", "bad")
        case StormJoined(umbrella=umbrella):
            own = umbrella == entry.incident
            gathers = "new troubles join here" if own else f"{plain(umbrella, 40)} gathers new troubles"
            until = "" if own else " until one comes here after the storm"
            return Sentence(f"Alerts storm in: {gathers}, and people approve every act{until}.", "bad")
        case StormPassed(umbrella=umbrella):
            return Sentence(
                f"The storm that {plain(umbrella, 40)} gathered is over: what the plan lets act alone may again."
            )
        case _:
            return None


def _joined(alert: AlertJoined) -> Sentence:
    source, title = plain(alert.source, 40), with_full_stop(bare(alert.title, SHORT))
    detail = [f"Sent {stamp(alert.at)}."] if alert.at else []
    if alert.state == "resolved":
        return Sentence(f"{source} says that the alert is over: {title}", "good", detail=detail)
    if alert.flapping:
        text = f"An alert from {source} comes and goes; it counts as firing, and nothing acts by itself: {title}"
        return Sentence(text, "bad", detail=detail)
    if alert.news == FIRES_AGAIN:
        return Sentence(f"An alert from {source} fires again: {title}", "bad", detail=detail)
    return Sentence(f"Alert from {source}: {title}", "bad", detail=detail)
