"""Messages that do not get through, by vendor and cause: one line for each cause, not one for each message. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, tzinfo

from allclear.domain.act import Act
from allclear.domain.durations import counted
from allclear.domain.incident import Incident
from allclear.domain.local_times import stamp
from allclear.domain.pseudo_phases import MESSAGES
from allclear.domain.text import bare, plain

_REFUSAL = re.compile(r"(.{1,40}?) (refused to|does not allow our key to|was asked to|did not) .*: ([^:]+)", re.DOTALL)
"""How `allclear.vendors.errors` words a vendor's answer: who, what was asked for, and the vendor's reason."""
_WORDS = {
    "refused to": "refuses",
    "does not allow our key to": "denies our key",
    "was asked to": "does not find it",
    "did not": "does not do it",
}
_NUMBERS = re.compile(r"\d[\d.]*")


@dataclass
class FailingMessages:
    """The messages that do not get through for one cause."""

    cause: str
    """The vendor and its reason: `Slack refuses: channel_not_found`."""
    next_step: str
    messages: int
    incidents: list[str]
    last: datetime
    """When the last of them was tried."""

    def words(self, zone: tzinfo) -> str:
        """Return the cause, and how many messages of how many incidents it holds up."""
        of = f"{counted(self.messages, 'message')} of {counted(len(self.incidents), 'incident')}"
        return f"{self.cause} ({of}, last tried at {stamp(self.last, zone)})"


def cause_of(sentence: str) -> str:
    """Return the vendor and its reason from the sentence of a failure, without what is different in each message."""
    text = bare(plain(sentence))
    if found := _REFUSAL.fullmatch(text):
        vendor, verb, reason = found.groups()
        return f"{vendor} {_WORDS[verb]}: {reason.strip()}"
    return _NUMBERS.sub("…", text)


def failing_messages(incidents: Iterable[Incident]) -> list[FailingMessages]:
    """Return the messages whose newest try failed, by cause, the cause of the most messages first."""
    found: dict[str, FailingMessages] = {}
    for incident in incidents:
        for (phase, _), tries in incident.tries.items():
            act = incident.acts[tries[-1]]
            if phase in MESSAGES and act.outcome and not act.outcome.good:
                _add(found, incident, act)
    return sorted(found.values(), key=lambda one: -one.messages)


def _add(found: dict[str, FailingMessages], incident: Incident, act: Act) -> None:
    assert act.outcome is not None  # noqa: S101 - the caller has checked it
    cause, last = cause_of(act.outcome.sentence), act.finished_at or act.at
    known = found.setdefault(cause, FailingMessages(cause, act.outcome.next_step, 0, [], last))
    known.messages += 1
    known.incidents = list(dict.fromkeys([*known.incidents, incident.id]))
    known.last = max(known.last, last)
