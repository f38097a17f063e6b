"""What opens or closes a ticket: of a follow-up, or of a severity that makes only a ticket."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from allclear.domain.base import Model


class TicketAction(Model):
    """An action that opens or closes a ticket, and its parameters."""

    action: str = Field(description="The action, as github.issue or jira.create; it must need no approval.")
    with_: dict[str, Any] = Field(
        alias="with",
        description="Its parameters, with every placeholder; for a follow-up also {number}, {follow_up}, {owner} and "
        "{due}.",
    )
