"""Assumptions and blanks: what the company's document does not state."""

from __future__ import annotations

import re

from pydantic import Field

from allclear.domain.base import Model

_HOLLOW = re.compile(r"^\s*\[.*\]\s*$")


def is_blank(text: str) -> bool:
    """Return whether `text` is empty, or a blank that still has to be filled in, as `[Phone Number]`."""
    return not text.strip() or bool(_HOLLOW.match(text))


class MayBeAssumed(Model):
    """A part of a plan. `assumed: true` marks what the company's document does not state; `allclear check` lists it."""

    assumed: bool = Field(default=False, description="Whether the document does not state this.")
    because: str = Field(default="", description="Why this was assumed.")
