"""Suggestions for the fields that no one wrote yet: what people said earlier, and what the record shows."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import NamedTuple

from allclear.domain.durations import counted, in_words
from allclear.domain.incident import Incident
from allclear.domain.local_times import clock
from allclear.domain.plan import Plan
from allclear.domain.review.post_mortem import Said, said
from allclear.domain.sentences.sentence import SentenceContext
from allclear.domain.text import SHORT, bare, plain, with_full_stop

_LONGEST = 10_000
"""Characters of what a person said; more than a person types."""


class Suggestion(NamedTuple):
    """A text for a field of the post-mortem, and where it comes from."""

    text: str
    source: str
    """As `Ana (Tech Lead), 14:57, in the step "Deploy the fix"`."""


def suggestions(incident: Incident, plan: Plan, field: str, *, service_title: str) -> list[Suggestion]:
    """Return what is suggested for a field, oldest first; empty if nothing in the record answers it."""
    context = SentenceContext.of(incident, plan)
    found = [Suggestion(plain(one.text, _LONGEST), _source(context, one)) for one in said(incident, field)]
    if found or field not in {"summary", "preventive"}:
        return found
    if field == "summary":
        return [Suggestion(summary(incident, service_title), "the record")]
    if incident.follow_ups:
        return [Suggestion(f"See the {counted(len(incident.follow_ups), 'action item')}.", "the follow-ups")]
    return []


def _source(context: SentenceContext, one: Said) -> str:
    where = f'in the step "{bare(one.step, SHORT)}"' if one.step else "in a note"
    return f"{context.author(one.by)}, {clock(one.at, context.zone)}, {where}"


def summary(incident: Incident, service_title: str) -> str:
    """Return what happened in a few sentences, from the record alone."""
    return " ".join(_sentences(incident, service_title))


def _sentences(incident: Incident, service_title: str) -> Iterator[str]:
    opened = incident.opened
    title = bare(opened.impact or incident.title, SHORT)
    began = incident.began_at
    late = f", {_span(began, incident.opened_at)} after it began" if began and began < incident.opened_at else ""
    yield f"{title} ({plain(service_title)}). How it became known: {bare(opened.reported)}{late}."
    if incident.ended and incident.ended.ending == "false-alarm":
        yield f"It was a false alarm{_because(incident.ended.reason)}"
        return
    if incident.ended and incident.ended.ending == "abandoned":
        yield f"The response was abandoned{_because(incident.ended.reason)}"
        return
    since = "after it began" if began else "after its detection"
    start = began or incident.opened_at
    for number, period in enumerate(incident.containment.periods):
        again = " again" if number else ""
        by = f' by "{bare(period.by, SHORT)}".' if period.act else f": {with_full_stop(bare(period.by, SHORT))}"
        yield f"Contained{again} {_span(start, period.since)} {since}{by}"
        if period.until:
            yield f"Containment was lost {_span(start, period.until)} {since}."
    if cause := said(incident, "root_cause"):
        yield f"Cause: {with_full_stop(bare(cause[-1].text))}"
    if fix := said(incident, "resolution"):
        yield f"Fix: {with_full_stop(bare(fix[-1].text))}"
    for number, period in enumerate(incident.recovery.periods):
        again = " again" if number else ""
        yield f"The service had recovered{again} {_span(start, period.since)} {since}."
        if period.until:
            yield f"It failed again {_span(start, period.until)} {since}."


def _because(reason: str) -> str:
    return f": {with_full_stop(bare(reason))}" if reason.strip() else "."


def _span(start: datetime, end: datetime) -> str:
    return in_words(end - start)
