"""Plain JSON, for user reports and for systems without a source of their own.

It is sent with a bearer token, or signed as a Standard Webhook if the secret begins with `whsec_`.

Order: by arrival. `at` is when the problem began or ended.

Labels: as they are sent. Key: as it is sent.
"""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from allclear.domain.alert import Alert
from allclear.domain.base import Moment
from allclear.responder.sources.payload import Identifier, Labels, iso_time, validate
from allclear.responder.sources.request import RawRequest, json_request
from allclear.responder.sources.signatures import AuthenticationResult, Credentials, verify_standard_webhook
from allclear.responder.sources.source import MakeSample, ParseResult, SharedSecretSource, id_from_header

_SIGNATURE = "webhook-signature"


class JsonAlert(BaseModel):
    """The body of `POST /alerts/json`."""

    model_config = ConfigDict(extra="ignore")

    key: Identifier = Field(
        min_length=1, max_length=255, description="The same while one problem fires and when it is resolved."
    )
    title: str = Field(min_length=1, max_length=2000)
    status: Literal["firing", "resolved"] = "firing"
    labels: Labels = Field(default={}, description="The labels that the plan's routes match, as alertname.")
    at: Moment | None = Field(default=None, description="When the problem began or ended.")


def _sample(status: str) -> MakeSample:
    return lambda at: json_request(
        {
            "key": "sample-checkout",
            "title": "Sample: customers cannot pay",
            "status": status,
            "at": iso_time(at),
            "labels": {"alertname": "SampleReport", "severity": "high", "service": "sample-shop"},
        }
    )


class JsonSource(SharedSecretSource):
    """Plain JSON."""

    name = "json"
    title = "Plain JSON"
    accepts_alert_token = True
    samples = {"firing": _sample("firing"), "resolved": _sample("resolved")}

    def authenticate(self, request: RawRequest, credentials: Credentials, now: datetime) -> AuthenticationResult:
        """Verify the signature if there is one, else the secret in the header."""
        if request.header_values(_SIGNATURE):
            return verify_standard_webhook(request, credentials, now)
        return super().authenticate(request, credentials, now)

    def delivery_id(self, request: RawRequest) -> str | None:
        """Return the id of a Standard Webhook."""
        return id_from_header(request, "webhook-id")

    def parse(self, request: RawRequest) -> ParseResult:
        """Return the alert."""
        alert = validate(JsonAlert, request.json())
        return [Alert(self.name, alert.key, alert.status, alert.title, alert.labels, at=alert.at)]
