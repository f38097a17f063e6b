"""How an error crosses HTTP: the responder sends it, and the command line raises it again as the same error."""

from __future__ import annotations

from typing import Self

from pydantic import Field

from allclear.domain import errors
from allclear.domain.base import Candidate, Model
from allclear.domain.errors import AllclearError, Refused

_KINDS: dict[str, type[AllclearError]] = {
    kind.__name__: kind
    for kind in (
        errors.ConfigError,
        errors.MissingSecret,
        errors.NotFound,
        errors.NotAllowed,
        errors.MissingText,
        errors.StillInPlace,
        errors.WrongState,
        errors.VendorError,
        errors.JournalError,
    )
}


class Problem(Model):
    """Why a command was not carried out, and what to do next."""

    detail: str = Field(description="What is wrong, in a sentence.")
    next_step: str = Field(description="What to do about it, in a sentence.")
    error: str = Field(
        description="The kind of error: ConfigError, MissingSecret, NotFound, NotAllowed, MissingText, StillInPlace, "
        "WrongState, Refused, VendorError or JournalError."
    )
    candidates: list[Candidate] = Field(default=[], description="What can be chosen instead, if a choice is missing.")

    @classmethod
    def of(cls, error: AllclearError) -> Self:
        """Return the problem that `error` describes."""
        candidates = list(error.candidates) if isinstance(error, Refused) else []
        known = next(
            kind.__name__ for kind in type(error).__mro__ if kind in {*_KINDS.values(), Refused, AllclearError}
        )
        return cls(detail=error.message, next_step=error.next_step, error=known, candidates=candidates)

    def as_error(self) -> AllclearError:
        """Return the error that this problem describes; its exit code is that of the original."""
        if self.error == Refused.__name__:
            return Refused(self.detail, self.next_step, tuple(self.candidates))
        return _KINDS.get(self.error, AllclearError)(self.detail, self.next_step)
