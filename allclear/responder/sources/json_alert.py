"""Plain JSON, for user reports and whatever has no source of its own."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from allclear.domain.base import Moment
from allclear.engine.intake import Alert
from allclear.responder.sources.shape import fit


class JsonAlert(BaseModel):
    """The body of `POST /alerts/json`."""

    model_config = ConfigDict(extra="ignore")

    key: str = Field(min_length=1, max_length=255, description="The same for every firing and the end of one trouble.")
    title: str = Field(min_length=1, max_length=2000)
    status: Literal["firing", "resolved"] = "firing"
    labels: dict[str, str] = Field(default={}, description="What the plan's routes look at, as alertname.")
    at: Moment | None = Field(default=None, description="When the trouble began or ended.")


def parse(body: Any) -> list[Alert]:  # noqa: ANN401 - decoded JSON
    """Returns the alert in `body`. Raises ValueError with what is wrong."""
    said = fit(JsonAlert, body)
    at: datetime | None = said.at
    return [Alert("json", said.key, said.status, said.title, said.labels, at=at)]
