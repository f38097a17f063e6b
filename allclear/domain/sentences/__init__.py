"""The timeline's sentences, one for each record: about alerts, acts, people, and the incident itself."""

from __future__ import annotations

from allclear.domain.records import Entry
from allclear.domain.sentences import acts, alerts, pages, people, progress
from allclear.domain.sentences.sentence import Sentence, SentenceContext

__all__ = ["describe"]


def describe(context: SentenceContext, entry: Entry) -> Sentence:
    """Return the sentence for `entry`."""
    for write in (progress.describe, alerts.describe, acts.describe, people.describe, pages.describe):
        if sentence := write(context, entry):
            return sentence
    msg = f"no sentence is written for {entry.record.kind}"
    raise NotImplementedError(msg)
