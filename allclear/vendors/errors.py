"""What a vendor's refusal means to us: one mapping from HTTP to our errors, shared by all clients.

A refused write changed nothing. A write whose answer never came, or came as 5xx, may have taken effect. The two must
not be confused: the executor decides by them whether to write again.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
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
from allclear.vendors.tls_errors import NEXT_STEP

RATE_LIMITED = frozenset({420, 429})
"""Statuspage answers 420 where others answer 429."""
UNAVAILABLE = frozenset({502, 503, 504})
UNREADABLE = "its answer cannot be read"
HIDDEN = "…"
"""Stands in the place of a secret that a vendor has echoed."""
_GOOGLE_TOKEN = re.compile(r"\bya29\.[\w.~+/=-]+")
_UNAUTHORISED = frozenset({401, 403})
_CONFLICT = frozenset({409, 412})
_NOT_FOUND = frozenset({404})
_GONE = frozenset({410})
_SERVER_ERROR = 500
_LONGEST_REASON = 300


@dataclass(frozen=True)
class VendorRequest:
    """One request to a vendor, and the errors it can end in: `PagerDuty`, `page VS-1`, a write."""

    vendor: str
    purpose: str
    """An infinitive without `to`, for the sentences of errors."""
    write: bool
    repeatable: bool = False
    """For a write: whether sending it again changes nothing more, because the vendor knows our key."""
    headers: Mapping[str, str] | None = None
    """Headers of this request beside those of every request, as `If-Match`."""

    @property
    def _named(self) -> str:
        """Return the vendor as it stands within a sentence: `the mail server`."""
        return re.sub("^The ", "the ", self.vendor)

    def unreachable(self, reason: str) -> Unreachable:
        """Return the error for a system that could not be reached.

        Only a write claims that nothing was changed: a read may follow a write that was applied.
        """
        unchanged = "; nothing was changed" if self.write else ""
        return Unreachable(
            f"{self.vendor} could not be reached to {self.purpose} ({reason}){unchanged}.",
            f"Check {self._named}'s own status page and the network, then try again.",
        )

    def untrusted(self, problem: str) -> Unreachable:
        """Return the error for a system with which no trusted encrypted connection could be made: nothing was sent."""
        error = self.unreachable(problem)
        error.next_step = NEXT_STEP
        return error

    def answer_lost(self, reason: str) -> Unreachable | AnswerLost:
        """Return the error for an answer that never came. A write may have taken effect; a read was not answered."""
        if not self.write:
            return self.unreachable(reason)
        return AnswerLost(
            f"{self.vendor} was asked to {self.purpose} and gave no clear answer ({reason}).",
            f"Check in {self._named} whether it took effect before you do it again.",
        )

    def not_from_vendor(self, status: int, content: str) -> AllclearError:
        """Return the error for a good status with an answer that is not the vendor's: of a proxy or a login page.

        `content` says what the answer holds. A write that must not be repeated may have taken effect.
        """
        reason = f"{UNREADABLE}: it answered {status} with {content}, as a proxy or a login page does"
        if not (self.write and self.repeatable):
            return self.answer_lost(reason)
        return VendorRefused(
            f"{self.vendor} did not {self.purpose}: {reason}.",
            f"Check the address of {self._named} in systems.yaml and the proxy in between, then try again.",
        )

    def denied(self, reason: str) -> Denied:
        """Return the error for a key that is wrong or lacks the permission."""
        return Denied(
            f"{self.vendor} does not allow our key to {self.purpose}: {reason}.",
            "Give the key the permission, or set the right one in its environment variable.",
        )

    def conflict(self, reason: str) -> Conflict:
        """Return the error for a resource that was changed by someone else first."""
        return Conflict(
            f"{self.vendor} did not {self.purpose}, because it was changed in the meantime: {reason}.",
            "Check how it is now, and decide again.",
            reason,
        )

    def refused(self, reason: str) -> VendorRefused:
        """Return the error for a plain refusal."""
        return VendorRefused(
            f"{self.vendor} refused to {self.purpose}: {reason}.",
            f"Correct what the reason names, or do it by hand in {self._named}.",
        )

    def rate_limited(self, seconds: float | None) -> VendorRefused:
        """Return the error for a rate limit that lasts longer than we wait; `seconds` is None if not known."""
        duration = f" for another {seconds:.0f} s" if seconds else ""
        unchanged = "Nothing was done: try" if self.write else "Try"
        when = "again after that" if seconds else "again in a minute"
        return VendorRefused(
            f"{self.vendor} is limiting our requests{duration} and did not {self.purpose}.",
            f"{unchanged} {when}, or do it by hand in {self._named}.",
            passes=True,
            seconds=seconds,
        )

    def not_found(self, reason: str) -> AllclearError:
        """Return the error for a resource that does not exist; a write that meets one was refused."""
        if self.write:
            return self.refused(reason)
        return NotFound(f"{self.vendor} was asked to {self.purpose}: {reason}.", "Check its name in systems.yaml.")

    def gone(self, reason: str) -> VendorRefused:
        """Return the error for a call that the vendor no longer has, as that of an old version of its API."""
        unchanged = "; nothing was changed" if self.write else ""
        return VendorRefused(
            f"{self.vendor} no longer has the call that we use to {self.purpose}: {reason}{unchanged}.",
            f"Install a newer version of allclear, and do it by hand in {self.vendor} until then.",
        )

    def error_for(self, status: int, reason: str, seconds: float | None = None) -> AllclearError:
        """Return the error for an HTTP status that is no success; `seconds` is what its Retry-After says."""
        reason = one_line(reason) or f"it answered {status}"
        if status in RATE_LIMITED:
            return self.rate_limited(seconds)
        refusals = (
            (_UNAUTHORISED, self.denied),
            (_CONFLICT, self.conflict),
            (_NOT_FOUND, self.not_found),
            (_GONE, self.gone),
        )
        for statuses, refusal in refusals:
            if status in statuses:
                return refusal(reason)
        if status >= _SERVER_ERROR:
            return self.answer_lost(f"it answered {status}: {reason}")
        return self.refused(reason)


def hidden(text: str, *secrets: str) -> str:
    """Return `text` without any of `secrets`. Call it before anything cuts `text`: a part of a secret is not found.

    Google's access tokens are hidden by their form, because its libraries renew them unseen.
    """
    for secret in secrets:
        if secret:
            text = text.replace(secret, HIDDEN)
    return _GOOGLE_TOKEN.sub(HIDDEN, text)


def one_line(text: str) -> str:
    """Return a vendor's text for use inside a sentence: one line, cut to 300 characters, without a full stop.

    Secrets must be hidden in it already.
    """
    line = " ".join(text.split())
    if len(line) > _LONGEST_REASON:
        line = f"{line[:_LONGEST_REASON]}…"
    return line.rstrip(".")


def seconds_to_wait(retry_after: str | None) -> float | None:
    """Return what a Retry-After header says, in seconds; None if it is missing or unreadable."""
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
