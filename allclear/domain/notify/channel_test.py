"""What became of a marked test message to one person by one way of the plan."""

from __future__ import annotations

from pydantic import Field

from allclear.domain.base import Model, Moment
from allclear.domain.notify.delivery import ON_THE_WAY

NOT_TESTED = "not tested"
"""The result of a way that was left out, for the reason in the sentence."""


class ChannelTest(Model):
    """One test: a way, a person, and how far the message got."""

    way: str = Field(description="As the plan's `ways` call it.")
    person: str = Field(description="As the plan writes the name; empty for a whole channel.")
    result: str = Field(
        description="accepted (the most that e-mail and chat show), delivered, acknowledged, failed, unknown, or "
        "`not tested`."
    )
    sentence: str
    at: Moment

    @property
    def arrived(self) -> bool:
        """Return whether the message got as far as its channel can show; false if it failed, or no one knows."""
        return self.result in ON_THE_WAY
