"""Datadog's webhook, with the payload that `docs/reference/alert-sources.md` gives.

*Source:* Datadog's documentation, "Webhooks", 2026-11: the payload is the user's own, filled from variables, all of
them text. `$ALERT_CYCLE_KEY` links what belongs together from the alert to its recovery; `$ALERT_TRANSITION` is
`Recovered`, or one of several words for an alert that fires. A variable without a value is empty, or left as it is.
Nothing is signed; headers, Basic and OAuth can be set. Datadog repeats 5xx only. Its default payload, and an event that
no monitor sent, have no transition: they are quarantined, because they may be alerts.

Order: `$DATE`, the time of the event.

Labels: `alertname` (the monitor's title), `monitor` (its id), `severity` and `priority` (as P1), `host`,
`transition`, and tags and scope written as `name:value`. Key: the organisation with the alert's cycle; without one,
with `$AGGREG_KEY`; without both, with monitor and scope.
"""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import BeforeValidator

from allclear.domain.alert import Alert
from allclear.responder.sources.payload import Body, Timestamp, key, labels, labels_from_tags, validate
from allclear.responder.sources.request import RawRequest, json_request
from allclear.responder.sources.source import MakeSample, ParseResult, SharedSecretSource, unknown_state

_UNSET = frozenset({"", "null", "none"})
_VARIABLE = re.compile(r"\$[A-Z][A-Z0-9_]*(?:\[.*\])?")
_FIRING = frozenset({"triggered", "re-triggered", "warn", "re-warn", "no data", "re-no data", "renotify"})


def _filled(value: object) -> str:
    """Return the value of a variable, or the empty string if Datadog had none."""
    text = str(value) if isinstance(value, str | int) and not isinstance(value, bool) else ""
    text = text.strip()
    return "" if text.lower() in _UNSET or _VARIABLE.fullmatch(text) else text


Filled = Annotated[str, BeforeValidator(_filled)]


class Template(Body):
    """The body that our template asks for: each field has the name of the variable that fills it."""

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
    date: Timestamp = None


def _sample(transition: str) -> MakeSample:
    return lambda at: json_request(
        {
            "alert_id": "1234567",
            "alert_cycle_key": "8412760031157293",
            "aggreg_key": "sampleaggregkey0",
            "org_id": "1234",
            "alert_transition": transition,
            "alert_title": "Sample: error rate of the shop is high",
            "alert_priority": "P1",
            "alert_scope": "service:sample-shop,env:prod",
            "hostname": "",
            "tags": "monitor,service:sample-shop,env:prod",
            "date": str(int(at.timestamp() * 1000)),
            "link": "https://app.datadoghq.com/monitors/1234567",
        }
    )


class Datadog(SharedSecretSource):
    """Datadog."""

    name = "datadog"
    title = "Datadog"
    samples = {"firing": _sample("Triggered"), "resolved": _sample("Recovered")}

    def parse(self, request: RawRequest) -> ParseResult:
        """Return the monitor's alert."""
        event = validate(Template, request.json())
        if not event.alert_transition:
            msg = "alert_transition is missing or not filled: use the template of docs/reference/alert-sources.md"
            raise ValueError(msg)
        transition = event.alert_transition.lower()
        if transition != "recovered" and transition not in _FIRING:
            raise unknown_state("the transition", event.alert_transition, f"recovered, {', '.join(sorted(_FIRING))}")
        if not (event.alert_cycle_key or event.aggreg_key or event.alert_id):
            msg = "the body names no alert: use the template of docs/reference/alert-sources.md"
            raise ValueError(msg)
        kind, parts = _identity(event)
        own = labels(
            alertname=event.alert_title,
            monitor=event.alert_id,
            severity=event.alert_priority,
            priority=event.alert_priority,
            host=event.hostname,
            transition=event.alert_transition,
        )
        alert_labels = {**labels_from_tags(event.tags), **labels_from_tags(event.alert_scope), **own}
        state = "resolved" if transition == "recovered" else "firing"
        title = event.alert_title or f"monitor {event.alert_id}"
        identity = key(event.org_id or "-", kind, *parts)
        return [Alert(self.name, identity, state, title, alert_labels, at=event.date, order=event.date)]


def _identity(event: Template) -> tuple[str, tuple[str, ...]]:
    if event.alert_cycle_key:
        return "cycle", (event.alert_cycle_key,)
    if event.aggreg_key:
        return "group", (event.aggreg_key,)
    return "monitor", (event.alert_id, event.alert_scope)
