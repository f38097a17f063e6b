"""Pingdom's state change webhook.

*Source:* Pingdom's page "Webhooks", 2026-11: uptime checks go from UP to DOWN and back, transaction checks from
SUCCESS to FAILING. Nothing is signed and no header can be added, so the secret is in the address.

Order: `state_changed_timestamp`.

Labels: `alertname` and `monitor` (the check's name), `check_id`, `check_type`, `severity` (HIGH or LOW, its
importance), `host`, and tags written as `name:value`. Key: the check.
"""

from __future__ import annotations

from allclear.domain.alert import Alert
from allclear.responder.sources.payload import (
    Body,
    Identifier,
    State,
    Text,
    Timestamp,
    key,
    labels,
    labels_from_tags,
    validate,
)
from allclear.responder.sources.request import RawRequest, json_request
from allclear.responder.sources.source import MakeSample, ParseResult, SharedSecretSource, unknown_state

_STATES: dict[str, State] = {
    "DOWN": "firing",
    "FAILING": "firing",
    "UP": "resolved",
    "SUCCESS": "resolved",
}


class CheckParams(Body):
    """The parameters of a check."""

    hostname: Text = ""


class Change(Body):
    """The body that Pingdom posts."""

    check_id: Identifier
    current_state: str
    check_name: Text = ""
    check_type: Text = ""
    check_params: CheckParams | None = None
    importance_level: Text = ""
    description: Text = ""
    tags: object = None
    state_changed_timestamp: Timestamp = None


def _sample(before: str, after: str) -> MakeSample:
    return lambda at: json_request(
        {
            "check_id": 4418827,
            "check_name": "Sample shop",
            "check_type": "HTTP",
            "check_params": {
                "basic_auth": False,
                "encryption": True,
                "full_url": "https://shop.example.com/",
                "header": "User-Agent:Pingdom.com_bot",
                "hostname": "shop.example.com",
                "ipv6": False,
                "port": 443,
                "url": "/",
            },
            "tags": ["service:sample-shop"],
            "previous_state": before,
            "current_state": after,
            "importance_level": "HIGH",
            "state_changed_timestamp": int(at.timestamp()),
            "state_changed_utc_time": f"{at:%Y-%m-%dT%H:%M:%S}",
            "long_description": "The server answered 503.",
            "description": "HTTP Error 503",
            "version": 1,
            "first_probe": {"ip": "192.0.2.31", "ipv6": "", "location": "Stockholm, Sweden"},
        }
    )


class Pingdom(SharedSecretSource):
    """Pingdom."""

    name = "pingdom"
    title = "Pingdom"
    query_field = "token"
    only_in_query = True
    samples = {"firing": _sample("UP", "DOWN"), "resolved": _sample("DOWN", "UP")}

    def parse(self, request: RawRequest) -> ParseResult:
        """Return the check's alert."""
        change = validate(Change, request.json())
        state = _STATES.get(change.current_state.upper())
        if state is None:
            raise unknown_state("the state", change.current_state, ", ".join(_STATES))
        name = change.check_name or change.check_id
        own = labels(
            alertname=name,
            monitor=name,
            check_id=change.check_id,
            check_type=change.check_type,
            severity=change.importance_level,
            host=change.check_params.hostname if change.check_params else None,
        )
        title = f"{name} is {change.current_state}: {change.description}".rstrip(": ")
        at = change.state_changed_timestamp
        alert_labels = {**labels_from_tags(change.tags), **own}
        return [Alert(self.name, key(change.check_id), state, title, alert_labels, at=at, order=at)]
