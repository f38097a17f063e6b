"""Sentences about what the pager reports of our pages."""

from __future__ import annotations

from allclear.domain.records import Entry, PageHeard
from allclear.domain.sentences.sentence import Sentence, SentenceContext, Tone
from allclear.domain.text import bare, plain, with_full_stop

_LATE = "It is old: later news of the page came first."

_SENTENCES: dict[str, tuple[str, Tone]] = {
    "triggered": ("PagerDuty calls {ringing}.", "plain"),
    "acknowledged": ("{who} acknowledged the page in PagerDuty.", "person"),
    "unacknowledged": ("The acknowledgement in PagerDuty has expired, so the page rings again.{now}", "bad"),
    "reassigned": ("{who} gave the page to others in PagerDuty.{now}", "person"),
    "delegated": ("{who} gave the page to others in PagerDuty.{now}", "person"),
    "escalated": ("The page was escalated in PagerDuty{by}.{now}", "bad"),
    "reopened": ("{who} opened the page in PagerDuty again.{now}", "bad"),
    "resolved": ("The page in PagerDuty was resolved{by}. The incident is still open.", "bad"),
    "merged": ("{who} merged the page into another incident in PagerDuty.", "person"),
    "responder-added": ("{who} asked {ringing} in PagerDuty to help{said}", "person"),
    "responder-joined": ("{who} joins, as asked in PagerDuty{said}", "person"),
    "responder-declined": ("{who} declined to help, as asked in PagerDuty{said}", "bad"),
}
_ROUTINE = frozenset({"triggered", "acknowledged"})
"""What another entry says as well: that people were paged, and that a person acknowledged the incident."""


def describe(context: SentenceContext, entry: Entry) -> Sentence | None:
    """Return the sentence for a report of the pager; None for any other record."""
    del context
    heard = entry.record
    if not isinstance(heard, PageHeard):
        return None
    ringing = " and ".join(plain(name, 60) for name in heard.ringing)
    template, tone = _SENTENCES.get(heard.event, ("PagerDuty reports of the page: {event}.", "plain"))
    words = {
        "who": plain(heard.agent, 60) or "PagerDuty",
        "by": f" by {plain(heard.agent, 60)}" if heard.agent else "",
        "ringing": ringing or "the on-call",
        "now": f" PagerDuty calls {ringing} now." if ringing and heard.rings else "",
        "said": f": {with_full_stop(bare(heard.text))}" if heard.text.strip() else ".",
        "event": plain(heard.event, 40),
    }
    routine = heard.late or heard.event in _ROUTINE
    return Sentence(template.format_map(words), tone, routine=routine, detail=[_LATE] if heard.late else ())
