"""Pingdom's state change webhook.

*Source:* Pingdom's page "Webhooks", 2026-11: uptime checks go from UP to DOWN and back, transaction checks from
SUCCESS to FAILING. Nothing is signed and no header can be added: a secret stands in the address.

Labels: `alertname` and `monitor` (the check's name), `check_id`, `check_type`, `severity` (HIGH or LOW, its
importance), `host`, and tags written as `name:value`. Key: the check.
"""

from __future__ import annotations

from allclear.domain.alert import Alert
from allclear.responder.sources.payload import Body, Text, When, Word, fit, key, labels, tagged
from allclear.responder.sources.request import RawRequest
from allclear.responder.sources.source import Nothing, Reading, SecretSource

_STATES = {"DOWN": "firing", "FAILING": "firing", "UP": "resolved", "SUCCESS": "resolved"}


class CheckParams(Body):
    """What the check looks at."""

    hostname: Text = ""


class Change(Body):
    """The body that Pingdom posts."""

    check_id: Word
    current_state: str
    check_name: Text = ""
    check_type: Text = ""
    check_params: CheckParams | None = None
    importance_level: Text = ""
    description: Text = ""
    tags: object = None
    state_changed_timestamp: When = None


class Pingdom(SecretSource):
    """Pingdom."""

    name = "pingdom"
    title = "Pingdom"
    query = "token"
    by_query = True

    def parse(self, request: RawRequest) -> Reading:
        """Return the check's alert."""
        change = fit(Change, request.json())
        state = _STATES.get(change.current_state.upper())
        if state is None:
            return Nothing(f"The state {change.current_state!r} is neither up nor down.")
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
        over = state == "resolved"
        named = {**tagged(change.tags), **own}
        return [Alert(self.name, key(change.check_id), "resolved" if over else "firing", title, named, at=at)]
