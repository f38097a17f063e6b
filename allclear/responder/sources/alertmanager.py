"""Prometheus Alertmanager's webhook, version 4.

*Source:* Alertmanager's documentation, `webhook_config`, 2026-11: each alert of a group has its own `status` and
`fingerprint`; a group that says `resolved` may hold alerts that still fire, so only the alert's own word counts. It
retries 5xx and network errors only.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

from allclear.domain.base import Moment, digest
from allclear.engine.intake import Alert
from allclear.responder.sources.shape import fit


class OneAlert(BaseModel):
    """One alert of a group."""

    model_config = ConfigDict(extra="ignore")

    status: Literal["firing", "resolved"]
    labels: dict[str, str]
    annotations: dict[str, str] = {}
    startsAt: Moment | None = None  # noqa: N815 - Alertmanager's own name
    endsAt: Moment | None = None  # noqa: N815 - Alertmanager's own name
    fingerprint: str | None = None

    @field_validator("startsAt", "endsAt", mode="before")
    @classmethod
    def _unset(cls, value: object) -> object:
        return None if isinstance(value, str) and value.startswith("0001-") else value


class Group(BaseModel):
    """The body that Alertmanager posts."""

    model_config = ConfigDict(extra="ignore")

    alerts: list[OneAlert] = Field(min_length=1, max_length=1000)


def parse(body: Any) -> list[Alert]:  # noqa: ANN401 - decoded JSON
    """Returns the alerts of the group in `body`. Raises ValueError with what is wrong."""
    group = fit(Group, body)
    return [_alert(one) for one in group.alerts]


def _alert(one: OneAlert) -> Alert:
    at: datetime | None = one.startsAt if one.status == "firing" else one.endsAt
    title = one.annotations.get("summary") or one.labels.get("alertname") or "alert"
    key = one.fingerprint or digest(one.labels)
    return Alert("alertmanager", key, one.status, title, one.labels, at=at)
