"""Records about alerts and alert storms."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from allclear.domain.base import Model, Moment

FIRES_AGAIN = "it fires again"
"""Why people are notified of an alert that fires again after it was resolved."""


class AlertJoined(Model):
    """An alert that belongs to this incident; its text is untrusted."""

    kind: Literal["alert.joined"] = "alert.joined"
    delivery: str = Field(description="The delivery in the inbox that it came with.")
    source: str
    key: str
    state: Literal["firing", "resolved"]
    title: str
    at: Moment | None = Field(default=None, description="The source's own time.")
    authenticated: bool = Field(default=False, description="Whether the source proved its identity.")
    flapping: bool = Field(default=False, description="Whether it changes too often, so that it counts as firing.")
    news: str = Field(default="", description="Why people are notified of it; empty if they are not.")
    no_recovery: str = Field(default="", description="Why its end is no recovery; empty if it is one.")
    ticket: str = Field(
        default="",
        description="The ticket that was opened for it before, as `VS-T3 (#12)`; empty if none.",
    )


class AlertsCollapsed(Model):
    """Too many alerts to have an entry each; the inbox has a decision for each of them."""

    kind: Literal["alerts.collapsed"] = "alerts.collapsed"
    count: int = Field(description="How many since the last entry of this kind.")
    up_to: int = Field(description="The number of the last one among the decisions.")


class StormJoined(Model):
    """An alert storm includes this incident: every act in it needs an approval."""

    kind: Literal["storm.joined"] = "storm.joined"
    umbrella: str = Field(description="The incident that new alerts join; it may be this one.")


class StormPassed(Model):
    """An alert joined after the storm: automatic action is allowed again."""

    kind: Literal["storm.passed"] = "storm.passed"
    umbrella: str = Field(description="The incident that new alerts joined.")
