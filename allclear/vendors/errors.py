"""What a vendor's refusal means to us: one mapping from HTTP to the error tree, shared by all clients.

A write that was refused changed nothing; a write whose answer never came, or came as 5xx, may have
taken effect: the two are never mixed up, since the executor decides by them whether to write again.
"""

from __future__ import annotations

from dataclasses import dataclass
from email.utils import parsedate_to_datetime

from allclear.domain.base import utc_now
from allclear.domain.errors import (
    AllclearError,
    AnswerLost,
    Conflict,
    Denied,
    NotFound,
    Unreachable,
    VendorRefused,
)

BUSY = frozenset({420, 429})
"""Statuspage says 420 where others say 429."""
TROUBLED = frozenset({502, 503, 504})
_UNAUTHORISED = frozenset({401, 403})
_CONFLICT = frozenset({409, 412})
_GONE = frozenset({404, 410})
_SERVER_ERROR = 500
_LONGEST_QUOTE = 300


@dataclass(frozen=True)
class Call:
    """What is being asked of whom, for the sentences of errors: `PagerDuty`, `page VS-1`."""

    vendor: str
    what: str
    write: bool

    def unreachable(self, reason: str) -> Unreachable:
        """Return the error for a system that could not be reached: nothing was changed."""
        return Unreachable(
            f"{self.vendor} could not be reached to {self.what} ({reason}); nothing was changed.",
            f"Look at {self.vendor}'s own status and at the network, then try again.",
        )

    def lost(self, reason: str) -> Unreachable | AnswerLost:
        """Return the error for an answer that never came: for a write that may have taken effect."""
        if not self.write:
            return self.unreachable(reason)
        return AnswerLost(
            f"{self.vendor} was asked to {self.what} and gave no clear answer ({reason}).",
            "Look whether it took effect before doing it again.",
        )

    def denied(self, words: str) -> Denied:
        """Return the error for a key that is wrong or lacks the permission."""
        return Denied(
            f"{self.vendor} does not allow our key to {self.what}: {words}.",
            "Give the key the permission, or set the right one in its environment variable.",
        )

    def conflict(self, words: str) -> Conflict:
        """Return the error for a thing that someone else changed first."""
        return Conflict(
            f"{self.vendor} did not {self.what}, for it was changed meanwhile: {words}.",
            "Look at it again and decide anew.",
        )

    def refused(self, words: str) -> VendorRefused:
        """Return the error for a plain no."""
        return VendorRefused(
            f"{self.vendor} refused to {self.what}: {words}.", "Correct what it names, or do it by hand there."
        )

    def busy(self, seconds: float | None) -> VendorRefused:
        """Return the error for a rate limit that lasts longer than we wait."""
        when = f" for another {seconds:.0f} s" if seconds else ""
        return VendorRefused(
            f"{self.vendor} is limiting our requests{when} and did not {self.what}.",
            "Nothing was done: try again then, or do it by hand there.",
        )

    def missing(self, words: str) -> AllclearError:
        """Return the error for a thing that is not there; for a write that is a refusal."""
        if self.write:
            return self.refused(words)
        return NotFound(f"{self.vendor} was asked to {self.what}: {words}.", "Check its name in systems.yaml.")

    def by_status(self, status: int, words: str, wait: float | None = None) -> AllclearError:
        """Return the error for an HTTP status that means no."""
        words = quote(words) or f"it answered {status}"
        if status in _UNAUTHORISED:
            return self.denied(words)
        if status in BUSY:
            return self.busy(wait)
        if status in _CONFLICT:
            return self.conflict(words)
        if status in _GONE:
            return self.missing(words)
        if status >= _SERVER_ERROR:
            return self.lost(f"it answered {status}: {words}")
        return self.refused(words)


def quote(words: str) -> str:
    """Return a vendor's words fit for the middle of a sentence: one line, not endless, no full stop."""
    line = " ".join(words.split())
    if len(line) > _LONGEST_QUOTE:
        line = f"{line[:_LONGEST_QUOTE]}…"
    return line.rstrip(".")


def seconds_to_wait(retry_after: str | None) -> float | None:
    """Return what a Retry-After header says, in seconds; None for a missing or unreadable one."""
    if not retry_after:
        return None
    try:
        return max(0.0, float(retry_after))
    except ValueError:
        pass
    try:
        return max(0.0, (parsedate_to_datetime(retry_after) - utc_now()).total_seconds())
    except (ValueError, TypeError):
        return None
