"""The words that fill a company's templates. A plan may give its own under `words`; the others are English."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from types import MappingProxyType

WORDS: Mapping[str, str] = MappingProxyType(
    {
        "investigating": "INVESTIGATING",
        "identified": "IDENTIFIED",
        "contained": "CONTAINED",
        "resolved": "RESOLVED",
        "false_alarm": "FALSE ALARM",
        "abandoned": "ABANDONED",
        "no_lead": "not yet named",
        "unknown_cause": "still being investigated",
        "unknown_time": "at an unknown time",
        "not_resolved": "not yet",
        "next_update_open": "as soon as there is news",
        "nothing_due": "none",
        "nothing_asked": "nothing",
        "nothing_in_place": "nothing",
        "no_one_to_notify": "no one by the plan",
        "all_notified": "no one any more",
    }
)
"""Each word that fills a placeholder, and its English text."""

STATUS = ("investigating", "identified", "contained", "resolved", "false_alarm", "abandoned")
"""The words of an incident's status."""

WORDS_OF: Mapping[str, Sequence[str]] = MappingProxyType(
    {
        "status": STATUS,
        "lead": ("no_lead",),
        "incident_lead": ("no_lead",),
        "brief_cause": ("unknown_cause",),
        "began": ("unknown_time",),
        "resolved": ("not_resolved",),
        "next_update": ("next_update_open",),
        "deadlines": ("nothing_due",),
        "waiting": ("nothing_asked",),
        "in_place": ("nothing_in_place",),
        "to_notify": ("no_one_to_notify", "all_notified"),
    }
)
"""Placeholder -> the words that can fill it."""

ENGLISH_SENTENCES = frozenset({"deadlines", "waiting", "in_place", "to_notify", "updates"})
"""Placeholders that hold sentences of allclear, which are English in every plan."""


def suggested_word(word: str) -> str:
    """Return a question with the nearest of `WORDS`, or the list of all."""
    near = difflib.get_close_matches(word, list(WORDS), n=1)
    return f"Did you mean `{near[0]}`?" if near else f"There are: {', '.join(WORDS)}."
