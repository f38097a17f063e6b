"""What a plan says, and what was assumed because it does not say it."""

from __future__ import annotations

import re

from pydantic import Field

from allclear.domain.base import Model

_HOLLOW = re.compile(r"^\s*\[.*\]\s*$")


def is_blank(text: str) -> bool:
    """Return whether `text` is a blank that nobody filled in, as `[Phone Number]`."""
    return not text.strip() or bool(_HOLLOW.match(text))


class MayBeAssumed(Model):
    """A part of a plan; `assumed: true` marks what the company's document does not say. `allclear check` lists it."""

    assumed: bool = Field(default=False, description="True for a default that the document does not state.")
    because: str = Field(default="", description="Why this was assumed.")
