"""Every error that allclear raises on purpose.

```
AllclearError              one sentence, and the next step for a person          exit code 1
├── ConfigError            a plan, runbook, scenario or setting is wrong                  3
│   └── MissingSecret      a system's secret is not in the environment                    3
├── NotFound               no such incident, approval, service, flag, action ...          4
├── NotAllowed             this person may not do that, or no longer                      5
│   ├── MissingText        the name, reason or text of a command is empty                 2
│   ├── StillInPlace       the incident cannot end while a change is in place             6
│   └── WrongState         what is asked for does not fit the present state               6
├── Refused                an act that must not be done in the present state              6
├── VendorError            an outside system                                              7
│   ├── Unreachable          nothing was sent, or a read went unanswered
│   ├── Denied               our key lacks the permission
│   ├── Conflict             the resource changed between our read and our write
│   ├── VendorRefused        it understood the request and refused it
│   └── AnswerLost           a write was sent, and its effect is unknown
└── JournalError           locked, read-only, or not a journal                            8
    ├── ConcurrentWrite      the incident has a newer entry than the writer had read
    └── Unreadable           the record of one incident is damaged
```
"""

from __future__ import annotations

from allclear.domain.base import Candidate


class AllclearError(Exception):
    """One clear sentence, and what to do next.

    Attributes:
        message: what is wrong, one sentence without a trailing newline.
        next_step: what a person does about it, one sentence.
    """

    exit_code = 1

    def __init__(self, message: str, next_step: str) -> None:
        super().__init__(message, next_step)
        self.message = message
        self.next_step = next_step

    def __str__(self) -> str:
        """Return both, as one line."""
        return f"{self.message} {self.next_step}".strip()


class ConfigError(AllclearError):
    """A plan, runbook, scenario or setting that cannot be used as it is."""

    exit_code = 3


class MissingSecret(ConfigError):
    """The environment variable that should hold a system's secret is empty."""


class NotFound(AllclearError):
    """Something was named that does not exist."""

    exit_code = 4


class NotAllowed(AllclearError):
    """A person may not do this, or no longer."""

    exit_code = 5


class MissingText(NotAllowed):
    """A command lacks a text that it needs, such as a name or a reason: wrong usage."""

    exit_code = 2


class StillInPlace(NotAllowed):
    """An incident must not end while a change is in place."""

    exit_code = 6


class WrongState(NotAllowed):
    """It does not fit the present state: the question is closed, the incident is over, held already or not held."""

    exit_code = 6


class Refused(AllclearError):
    """An act that must not be done in the present state.

    Attributes:
        candidates: what a person can choose instead, if only the choice is missing; usually empty.
        typed: what a person can type instead, as `Addresses, separated by spaces`; usually empty.
    """

    exit_code = 6

    def __init__(
        self, message: str, next_step: str, candidates: tuple[Candidate, ...] = (), *, typed: str = ""
    ) -> None:
        super().__init__(message, next_step)
        self.candidates = candidates
        self.typed = typed


class VendorError(AllclearError):
    """An outside system did not do what was asked."""

    exit_code = 7


class Unreachable(VendorError):
    """The system did not answer a read, or could not be connected to, so that this request changed nothing."""


class Denied(VendorError):
    """The system knows the key, and its permissions are not enough."""


class Conflict(VendorError):
    """The vendor refused a write because of another version of the resource.

    Attributes:
        reason: the vendor's own words, without a full stop; empty if there are none.
    """

    def __init__(self, message: str, next_step: str, reason: str = "") -> None:
        super().__init__(message, next_step)
        self.reason = reason


class VendorRefused(VendorError):
    """The system understood the request and refused it.

    Attributes:
        passes: whether it refuses for a while only, as a rate limit does, so that the request may be sent again.
        seconds: how long the vendor says that it lasts; None if it does not say.
    """

    def __init__(self, message: str, next_step: str, *, passes: bool = False, seconds: float | None = None) -> None:
        super().__init__(message, next_step)
        self.passes = passes
        self.seconds = seconds


class AnswerLost(VendorError):
    """A write was sent and no answer came: only a new read can show whether it took effect."""


class JournalError(AllclearError):
    """The journal cannot be read or written."""

    exit_code = 8


class ConcurrentWrite(JournalError):
    """The incident has a newer entry than the writer had read: read and decide again."""


class Unreadable(JournalError):
    """The record of one incident cannot be read; the others can."""
