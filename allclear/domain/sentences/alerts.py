"""Sentences about alerts, and about alert storms."""

from __future__ import annotations

from allclear.domain.local_times import stamp
from allclear.domain.records import FIRES_AGAIN, AlertJoined, AlertsCollapsed, Entry, StormJoined, StormPassed
from allclear.domain.sentences.sentence import Sentence, SentenceContext
from allclear.domain.text import LONG, SHORT, bare, plain, with_full_stop


def describe(context: SentenceContext, entry: Entry) -> Sentence | None:
    """Return the sentence for a record about alerts; None for any other record."""
    match entry.record:
        case AlertJoined() as alert:
            return _joined(context, alert)
        case AlertsCollapsed(count=count):
            more = "One more alert was" if count == 1 else f"{count} more alerts were"
            return Sentence(f"{more} received and only counted, because too many came to list each.", "bad")
        case StormJoined(umbrella=umbrella):
            return Sentence(_storm(plain(umbrella, 40), own=umbrella == entry.incident), "bad")
        case StormPassed(umbrella=umbrella):
            over = f"The alert storm of {plain(umbrella, 40)} is over."
            return Sentence(f"{over} Actions that the plan allows without an approval are automatic again.")
        case _:
            return None


def _storm(umbrella: str, *, own: bool) -> str:
    if own:
        return "Alert storm: new alerts are grouped into this incident, and every action needs an approval."
    return (
        f"Alert storm: new alerts are grouped into {umbrella}. "
        "Every action here needs an approval until an alert joins after the storm."
    )


def _joined(context: SentenceContext, alert: AlertJoined) -> Sentence:
    source, title = plain(alert.source, 40), with_full_stop(bare(alert.title, SHORT))
    detail = [f"Sent {stamp(alert.at, context.zone)}."] if alert.at else []
    if alert.state == "resolved" and alert.no_recovery:
        why = plain(alert.no_recovery, SHORT)
        return Sentence(f"Alert from {source} ended, but not because of a recovery: {why}. {title}", detail=detail)
    if alert.state == "resolved":
        return Sentence(f"Alert from {source} resolved: {title}", "good", detail=detail)
    if alert.flapping:
        text = f"Alert from {source} is flapping, so it counts as firing and no action is automatic: {title}"
        return Sentence(text, "bad", detail=detail)
    if alert.news == FIRES_AGAIN:
        return Sentence(f"Alert from {source} is firing again: {title}", "bad", detail=detail)
    before = f" A ticket was opened for it before: {plain(alert.ticket, LONG)}." if alert.ticket else ""
    return Sentence(f"Alert from {source}: {title}{before}", "bad", detail=detail)
