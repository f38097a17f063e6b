"""Plain JSON, for user reports and whatever has no source of its own.

Sent with the token as a bearer token, or signed as a Standard Webhook where the secret begins with `whsec_`.

Labels: as they are sent. Key: as it is sent.
"""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from allclear.domain.alert import Alert
from allclear.domain.base import Moment
from allclear.responder.sources.payload import Labels, Word, fit
from allclear.responder.sources.request import RawRequest
from allclear.responder.sources.signatures import Keys, Proof, by_standard_webhook
from allclear.responder.sources.source import Reading, SecretSource, delivery_id

_SIGNATURE = "webhook-signature"


class JsonAlert(BaseModel):
    """The body of `POST /alerts/json`."""

    model_config = ConfigDict(extra="ignore")

    key: Word = Field(min_length=1, max_length=255, description="The same for every firing and the end of one trouble.")
    title: str = Field(min_length=1, max_length=2000)
    status: Literal["firing", "resolved"] = "firing"
    labels: Labels = Field(default={}, description="What the plan's routes look at, as alertname.")
    at: Moment | None = Field(default=None, description="When the trouble began or ended.")


class JsonSource(SecretSource):
    """Plain JSON."""

    name = "json"
    title = "Plain JSON"

    def authenticate(self, request: RawRequest, keys: Keys, now: datetime) -> Proof:
        """Return what the signature proves, or the secret in the header."""
        if request.header_values(_SIGNATURE):
            return by_standard_webhook(request, keys, now)
        return super().authenticate(request, keys, now)

    def delivery(self, request: RawRequest) -> str | None:
        """Return the id of a Standard Webhook."""
        return delivery_id(request, "webhook-id")

    def parse(self, request: RawRequest) -> Reading:
        """Return the alert."""
        said = fit(JsonAlert, request.json())
        return [Alert(self.name, said.key, said.status, said.title, said.labels, at=said.at)]
