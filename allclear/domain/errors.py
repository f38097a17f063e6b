"""Every error that allclear raises on purpose.

```
AllclearError              one sentence, and the next step for a person          exit code 1
├── ConfigError            a plan, runbook, scenario or setting is wrong                  3
│   └── MissingSecret      a system's secret is not in the environment                    3
├── NotFound               no such incident, approval, service, flag, action ...          4
├── NotAllowed             this person may not say that, or not any more                  5
├── Refused                an act that must not be done as things stand                   6
├── VendorError            an outside system                                              7
│   ├── Unreachable          nothing was sent, or a read went unanswered
│   ├── Denied               our key lacks the permission
│   ├── Conflict             the thing changed between our look and our write
│   ├── VendorRefused        it understood us and said no
│   └── AnswerLost           we wrote, and do not know whether it took effect
└── JournalError           locked, read-only, or not a journal                            8
    └── Moved              the incident has a newer entry than the one decided upon
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
    """A person said something that is not theirs to say, or no longer open."""

    exit_code = 5


class Refused(AllclearError):
    """An act that must not be done as things stand.

    Attributes:
        candidates: what a person could choose instead, where only that is missing; empty as a rule.
    """

    exit_code = 6

    def __init__(self, message: str, next_step: str, candidates: tuple[Candidate, ...] = ()) -> None:
        super().__init__(message, next_step)
        self.candidates = candidates


class VendorError(AllclearError):
    """An outside system did not do what was asked."""

    exit_code = 7


class Unreachable(VendorError):
    """The system did not answer a read, or could not be connected to: nothing was changed."""


class Denied(VendorError):
    """The system knows us and will not let us."""


class Conflict(VendorError):
    """The thing was changed by someone else after it was looked at."""


class VendorRefused(VendorError):
    """The system understood the request and said no."""


class AnswerLost(VendorError):
    """A write was sent and no answer came: only a fresh look tells whether it took effect."""


class JournalError(AllclearError):
    """The journal cannot be read or written."""

    exit_code = 8


class ConcurrentWrite(JournalError):
    """The incident has a newer entry than the one that the writer had seen: read again and decide again."""


class Unreadable(JournalError):
    """The record of one incident cannot be read; the others can."""
