"""Datadog's webhook, with the payload that `docs/alerts.md` gives.

*Source:* Datadog's documentation, "Webhooks", 2026-11: the payload is the user's own, filled from variables, all of
them text. `$ALERT_CYCLE_KEY` links what belongs together from the alert to its recovery; `$ALERT_TRANSITION` is
`Recovered`, or one of several words for trouble. A variable that has no value stays empty, or as it is written.
Nothing is signed; headers, Basic and OAuth can be set. Datadog repeats 5xx only.

Labels: `alertname` (the monitor's title), `monitor` (its id), `severity` and `priority` (as P1), `host`,
`transition`, and tags and scope written as `name:value`. Key: the organisation with the alert's cycle; without one,
with `$AGGREG_KEY`; without both, with monitor and scope.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import BeforeValidator

from allclear.domain.alert import Alert
from allclear.responder.sources.payload import Body, When, fit, key, labels, tagged
from allclear.responder.sources.request import RawRequest
from allclear.responder.sources.source import Nothing, Reading, SecretSource, test_call

_UNSET = frozenset({"", "null", "none"})
_FIRING = frozenset({"triggered", "re-triggered", "warn", "re-warn", "no data", "re-no data", "renotify"})


def _filled(value: object) -> str:
    """Return the value of a variable, or nothing where Datadog had none."""
    text = str(value) if isinstance(value, str | int) and not isinstance(value, bool) else ""
    return "" if text.strip().lower() in _UNSET or text.startswith("$") else text.strip()


Filled = Annotated[str, BeforeValidator(_filled)]


class Payload(Body):
    """Our template: each field is named as the variable that fills it."""

    alert_id: Filled = ""
    alert_cycle_key: Filled = ""
    aggreg_key: Filled = ""
    org_id: Filled = ""
    alert_transition: Filled = ""
    alert_title: Filled = ""
    alert_priority: Filled = ""
    alert_scope: Filled = ""
    hostname: Filled = ""
    tags: Filled = ""
    date: When = None


class Datadog(SecretSource):
    """Datadog."""

    name = "datadog"
    title = "Datadog"

    def parse(self, request: RawRequest) -> Reading:
        """Return the monitor's alert."""
        said = fit(Payload, request.json())
        if not said.alert_transition:
            return test_call("Datadog sent an event that is no monitor's")
        transition = said.alert_transition.lower()
        if transition != "recovered" and transition not in _FIRING:
            return Nothing(f"The transition {said.alert_transition!r} says neither trouble nor recovery.")
        if not (said.alert_cycle_key or said.aggreg_key or said.alert_id):
            msg = "the payload names no alert: use the template of docs/alerts.md"
            raise ValueError(msg)
        kind, identity = _identity(said)
        own = labels(
            alertname=said.alert_title,
            monitor=said.alert_id,
            severity=said.alert_priority,
            priority=said.alert_priority,
            host=said.hostname,
            transition=said.alert_transition,
        )
        named = {**tagged(said.tags), **tagged(said.alert_scope), **own}
        state = "resolved" if transition == "recovered" else "firing"
        title = said.alert_title or f"monitor {said.alert_id}"
        return [Alert(self.name, key(said.org_id or "-", kind, *identity), state, title, named, at=said.date)]


def _identity(said: Payload) -> tuple[str, tuple[str, ...]]:
    if said.alert_cycle_key:
        return "cycle", (said.alert_cycle_key,)
    if said.aggreg_key:
        return "group", (said.aggreg_key,)
    return "monitor", (said.alert_id, said.alert_scope)
