"""What holds for every installed source: identity from the whole content, known states only, order, and replays."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from typing import Any
from urllib.parse import urlencode

import pytest

from allclear.domain.alert import Alert
from allclear.engine.alerts.received import received
from allclear.responder.deliveries import is_sent_once, stored_parts
from allclear.responder.sources import SOURCES
from allclear.responder.sources.request import RawRequest, stored_request
from allclear.responder.sources.signatures import AuthenticationLevel
from allclear.responder.sources.source import IncompleteAlerts, NoAlert
from tests.scenario.response_support import vintstreet
from tests.unit.responder.sources.sources_support import NOW, OPTIONS, SAMPLES, alert_of, put, read, request_of, sample

Place = tuple[Any, ...]
PLAN = vintstreet().plan
ODD = "a-state-that-is-not-known"
MINUTE = timedelta(minutes=1)

STATES: dict[str, list[tuple[str, Place]]] = {
    "alertmanager": [("firing", ("alerts", 0, "status"))],
    "betterstack": [("firing", ("data", "attributes", "status")), ("firing", ("data", "type"))],
    "cloudevents": [],
    "datadog": [("firing", ("alert_transition",))],
    "github": [
        ("firing", ("action",)),
        ("firing", ("workflow_run", "conclusion")),
        ("deployment", ("deployment_status", "state")),
    ],
    "google": [("firing", ("incident", "state"))],
    "grafana": [("firing", ("alerts", 0, "status"))],
    "json": [("firing", ("status",))],
    "pagerduty": [("firing", ("event", "event_type"))],
    "pingdom": [("firing", ("current_state",))],
    "sentry": [("issue", ("action",)), ("metric", ("action",))],
    "statuscake": [],
    "supabase": [("firing", ("record", "status")), ("firing", ("type",))],
    "uptimerobot": [("firing", ("alertType",))],
    "vercel": [("firing", ("type",))],
}
"""Source -> the samples and places in which it says the state; those of cloudevents and statuscake have own tests."""

# Decision 0098 says why.
MEANS_FIRING = {("json", "status"), ("supabase", "status"), ("betterstack", "type")}
"""Fields that may be left out: a new row without a status is an alert, and an incident is the usual type."""

IDENTITIES: dict[str, list[Place]] = {
    "alertmanager": [("alerts", 0, "fingerprint")],
    "betterstack": [("data", "id")],
    "cloudevents": [("source",), ("subject",)],
    "datadog": [("alert_cycle_key",), ("org_id",)],
    "github": [("repository", "id"), ("workflow_run", "workflow_id"), ("workflow_run", "head_branch")],
    "google": [("incident", "incident_id"), ("incident", "scoping_project_id")],
    "grafana": [("alerts", 0, "fingerprint"), ("orgId",)],
    "json": [("key",)],
    "pagerduty": [("event", "data", "id")],
    "pingdom": [("check_id",)],
    "sentry": [("data", "event", "issue_id"), ("installation", "uuid")],
    "statuscake": [],
    "supabase": [("record", "id"), ("table",), ("schema",)],
    "uptimerobot": [("monitorID",)],
    "vercel": [("payload", "project", "id"), ("payload", "target"), ("payload", "team", "id")],
}
"""Source -> the places that identify a problem."""

ORDERED = {"cloudevents", "datadog", "github", "google", "pagerduty", "pingdom", "supabase", "uptimerobot", "vercel"}
"""The sources whose messages say in which order they belong. For the others the order of arrival counts."""

ONCE = {"cloudevents", "github", "pagerduty", "sentry", "vercel"}
"""The sources whose messages never have the same bytes twice."""


def test_the_tables_have_every_source() -> None:
    """A new source is added to each of them."""
    assert set(STATES) == set(IDENTITIES) == set(SOURCES)
    assert set(SOURCES) >= ORDERED | ONCE


def changed(source: str, name: str, place: Place, value: object, *, remove: bool = False) -> RawRequest:
    """Return an unsigned sample with another value at a place of its body; GitHub's fork is removed beside it.

    With `remove`, the field is left out instead.
    """
    unchanged = sample(source, name, NOW)
    body = put(json.loads(unchanged.body), place, value)
    if remove:
        parent = body
        for part in place[:-1]:
            parent = parent[part]
        del parent[place[-1]]
    if source == "github" and "workflow_run" in body:
        body["workflow_run"].pop("head_repository")
    return RawRequest(json.dumps(body).encode(), unchanged.headers)


def stored_key(alert: Alert) -> str:
    """Return the key under which the journal keeps an alert."""
    return received(alert, "d", PLAN, NOW).record.key


# --- states ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("source", "name", "place"), [(source, *where) for source, places in STATES.items() for where in places]
)
def test_a_state_that_is_not_known_is_quarantined(source: str, name: str, place: Place) -> None:
    """The error quotes the state. It is neither ignored nor guessed."""
    with pytest.raises(ValueError, match=ODD):
        read(source, changed(source, name, place, ODD))


@pytest.mark.parametrize(
    ("source", "name", "place"), [(source, *where) for source, places in STATES.items() for where in places]
)
def test_a_state_that_is_missing_is_quarantined(source: str, name: str, place: Place) -> None:
    """A body from which the state was left out opens no incident, unless the documents say what its absence means."""
    if (source, place[-1]) in MEANS_FIRING:
        assert alert_of(source, changed(source, name, place, None, remove=True)).state == "firing"
        return
    with pytest.raises(ValueError, match=r"^[^\n]{5,300}$"):
        read(source, changed(source, name, place, None, remove=True))


@pytest.mark.parametrize(
    ("source", "request_", "reason"),
    [
        ("statuscake", RawRequest(b"TestID=9&Status=Paused"), "Paused"),
        ("grafana", RawRequest(b'{"ruleId": 7, "state": "odd"}'), "odd"),
        ("uptimerobot", RawRequest(b'{"monitorID": "*monitorID*", "alertType": "*alertType*"}'), "alertType"),
        ("github", RawRequest(b"{}"), "X-GitHub-Event"),
        ("sentry", RawRequest(b'{"project": "p", "level": "error", "event": {}}'), "legacy WebHooks plugin"),
        ("sentry", RawRequest(b"{}", (("Sentry-Hook-Resource", "odd"),)), "odd"),
        ("supabase", RawRequest(b'{"type": "INSERT", "table": "t", "record": null}'), "record is missing"),
        ("supabase", RawRequest(b'{"type": "UPDATE", "table": "t", "record": {"id": 1}}'), "no status"),
        (
            "datadog",
            RawRequest(b'{"body": "x", "event_type": "metric_alert_monitor", "title": "t", "id": "1"}'),
            "not filled",
        ),
        ("datadog", RawRequest(b'{"ALERT_TRANSITION": "Triggered", "ALERT_ID": "1"}'), "alert_transition"),
        ("datadog", RawRequest(b'{"alert_transition": "$ALERT_TRANSITION", "alert_id": "1"}'), "alert_transition"),
        ("datadog", RawRequest(b'{"alert_transition": "", "alert_id": "1"}'), "use the template"),
    ],
)
def test_a_shape_that_is_not_known_is_quarantined(source: str, request_: RawRequest, reason: str) -> None:
    """A template that is not filled, another shape of the vendor's, or a missing header: the reason names it."""
    with pytest.raises(ValueError, match=reason):
        read(source, request_)


@pytest.mark.parametrize("source", ["alertmanager", "grafana"])
def test_one_alert_that_cannot_be_read_does_not_hide_the_others_of_its_group(source: str) -> None:
    """The readable alerts are taken in, and the delivery is quarantined with the number of the others."""
    body = json.loads(sample(source, "firing", NOW).body)
    other = {**body["alerts"][0], "fingerprint": "other"}
    body["alerts"] += [{**other, "status": ODD}, other, 7]
    result = read(source, RawRequest(json.dumps(body).encode()))
    assert isinstance(result, IncompleteAlerts)
    assert ([alert.state for alert in result], result.quarantined) == (["firing", "firing"], True)
    assert result.note.startswith("2 of 4 alerts cannot be read, the first of them: alert 2: status: ")


@pytest.mark.parametrize(
    "kind", ["com.github.pull_request.opened", "order.new", "job.started", "com.example.checkout.failed.v2"]
)
def test_only_mapped_cloud_events_fire(kind: str) -> None:
    """A word such as `new` at the end of a type means nothing; the reason says how to map the type."""
    for data in ({}, {"status": "firing"}):
        body = {**json.loads(sample("cloudevents", "firing", NOW).body), "type": kind, "data": data}
        result = read("cloudevents", RawRequest(json.dumps(body).encode(), request_of("cloudevents").headers))
        assert isinstance(result, NoAlert)
        assert (repr(kind) in result.reason, "alerts: cloudevents: types" in result.reason) == (True, True)


@pytest.mark.parametrize(("said", "state"), [("firing", "firing"), ("Closed", "resolved"), (ODD, None), ("", None)])
def test_the_data_of_a_cloud_event_says_its_state_if_its_type_is_mapped_so(said: str, state: str | None) -> None:
    """A status that is not known is quarantined."""
    body = {**json.loads(sample("cloudevents", "firing", NOW).body), "type": "acme.alert", "data": {"status": said}}
    request = RawRequest(json.dumps(body).encode(), request_of("cloudevents").headers)
    options = {"types": {"acme.alert": "status"}}
    if state is None:
        with pytest.raises(ValueError, match=r"data\.status"):
            SOURCES["cloudevents"].parse_configured(request, options)
        return
    result = SOURCES["cloudevents"].parse_configured(request, options)
    assert isinstance(result, list)
    assert [alert.state for alert in result] == [state]


# --- identity ----------------------------------------------------------------------------------------------

PAIRS = [("x" * 240 + "a", "x" * 240 + "b"), ("a\u200bb", "ab"), ("a b", "a  b"), ("a\u202e", "a\u2066")]


@pytest.mark.parametrize(
    ("source", "place"), [(source, place) for source, places in IDENTITIES.items() for place in places]
)
def test_ids_that_differ_anywhere_are_two_alerts(source: str, place: Place) -> None:
    """At their end, after hundreds of characters, or in a character that is not visible."""
    for pair in PAIRS:
        keys = {stored_key(alert_of(source, changed(source, "firing", place, one))) for one in pair}
        assert len(keys) == 2, pair
        assert all(key.isprintable() and len(key) <= 300 for key in keys)


def test_statuscakes_ids_that_differ_anywhere_are_two_alerts() -> None:
    """Also bytes that are no text."""
    forms = [urlencode({"TestID": one, "Status": "Down"}).encode() for pair in PAIRS for one in pair]
    forms += [b"TestID=%FF&Status=Down", b"TestID=%FE&Status=Down"]
    assert len({stored_key(alert_of("statuscake", RawRequest(form))) for form in forms}) == len(forms)


@pytest.mark.parametrize("source", ["alertmanager", "grafana"])
def test_labels_that_differ_anywhere_are_two_alerts(source: str) -> None:
    """Without a fingerprint all labels count: after 500 characters, after the hundredth label, and nested values."""

    def key_of(labels: dict[str, Any]) -> str:
        body = {"alerts": [{"status": "firing", "labels": labels}]}
        return stored_key(alert_of(source, RawRequest(json.dumps(body).encode())))

    many = {f"label{number:03}": "x" for number in range(150)}
    sets: list[dict[str, Any]] = [
        {"alertname": "x" * 600 + "a"},
        {"alertname": "x" * 600 + "b"},
        many,
        many | {"label149": "y"},
        {"a": {"b": 1}},
        {"a": {"b": 2}},
    ]
    assert len({key_of(labels) for labels in sets}) == len(sets)
    with pytest.raises(ValueError, match="neither an id nor labels"):
        key_of({})


def test_a_row_is_identified_by_its_key_in_any_column() -> None:
    """Its key may be long, or stand after a hundred other columns; without a key all columns count."""

    def key_of(record: dict[str, Any]) -> str:
        body = {"type": "INSERT", "table": "alerts", "record": record}
        return stored_key(alert_of("supabase", RawRequest(json.dumps(body).encode())))

    many = {f"column{number:03}": "x" for number in range(150)}
    keys = [key_of({**many, "key": one}) for one in ("a", "b", "x" * 600 + "a", "x" * 600 + "b")]
    keys += [key_of(many), key_of(many | {"column149": "y"})]
    assert len(set(keys)) == len(keys)


def test_the_headers_of_a_binary_cloud_event_identify_it_whole() -> None:
    """The inbox stores them uncut."""
    keys, deliveries = set[str](), set[str]()
    for last in "ab":
        request = request_of("cloudevents", "binary")
        long = {"ce-subject": "x" * 600 + last, "ce-id": "y" * 600 + last}
        headers = tuple((name, long.get(name, value)) for name, value in request.headers)
        keys.add(stored_key(alert_of("cloudevents", replace(request, headers=headers))))
        level = AuthenticationLevel.AUTHENTICATED
        deliveries.add(stored_parts(SOURCES["cloudevents"], replace(request, headers=headers), level)[2])
    assert (len(keys), len(deliveries)) == (2, 2)


@pytest.mark.parametrize("title", ["", " ", "\u200b\u2060", "\u202e\x00", "\u3164\u2800\u115f", "\ufe0f\u0301"])
def test_a_title_that_nobody_can_see_is_replaced_by_the_key(title: str) -> None:
    """Otherwise people would be paged for an incident without a name."""
    alert = Alert("json", "checkout", "firing", title)
    assert received(alert, "d", PLAN, NOW).record.title == "json:checkout"
    assert received(replace(alert, key="\u200b"), "d", PLAN, NOW).record.title.startswith("json:#")
    assert received(replace(alert, title=f"{title}!"), "d", PLAN, NOW).record.title.endswith("!")


# --- order and replays ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("source", SOURCES)
def test_the_order_of_messages_is_the_senders_where_it_has_one(source: str) -> None:
    """The end has a higher order than the firing before it. The start of a problem is never an order."""
    first = alert_of(source, request_of(source, "firing", NOW))
    last = alert_of(source, request_of(source, "resolved", NOW + MINUTE))
    assert {first.order is None, last.order is None} == {source not in ORDERED}
    if first.order is not None and last.order is not None:
        orders = [received(alert, "d", PLAN, NOW + MINUTE).order for alert in (first, last)]
        assert orders == sorted(orders, key=lambda order: order or ())
        assert orders[0] != orders[1]


def test_the_newer_run_and_the_newer_deployment_have_the_higher_order() -> None:
    """Run 11 fails, then run 10 of an older commit ends; the second attempt of a run comes after the first."""

    def order_of(name: str, **fields: int) -> Any:  # noqa: ANN401 - an order
        body = json.loads(sample("github", name, NOW).body)
        ids = {"run_number": "workflow_run", "run_attempt": "workflow_run", "id": "deployment_status"}
        for field, value in fields.items():
            if field == "deployment":
                body["deployment"]["id"] = value
            else:
                body[ids[field]][field] = value
        return alert_of("github", RawRequest(json.dumps(body).encode(), sample("github", name, NOW).headers)).order

    assert order_of("firing", run_number=11, run_attempt=1) > order_of("resolved", run_number=10, run_attempt=2)
    assert order_of("resolved", run_number=10, run_attempt=2) > order_of("firing", run_number=10, run_attempt=1)
    assert order_of("deployment", deployment=8, id=1) > order_of("deployment-resolved", deployment=7, id=2)


@pytest.mark.parametrize("source", SOURCES)
def test_the_same_bytes_are_a_replay_if_the_vendor_never_repeats_them(source: str) -> None:
    """For these sources an unsigned header does not make another delivery of it."""
    assert {is_sent_once(SOURCES[source], request_of(source, name)) for name in SAMPLES[source]} == {source in ONCE}
    if source in ONCE - {"cloudevents"}:
        request, level = request_of(source), AuthenticationLevel.AUTHENTICATED
        other = replace(request, headers=tuple((name, f"{value}1") for name, value in request.headers))
        keys = {stored_parts(SOURCES[source], one, level)[2] for one in (request, other)}
        assert len(keys) == 1


def test_a_numbered_json_alert_is_sent_once() -> None:
    """A Standard Webhook has an id, which it signs; another id is another message with the same bytes."""
    request = sample("json", "firing", NOW)
    first, second = (request.with_headers(("webhook-id", one)) for one in ("msg_1", "msg_2"))
    assert is_sent_once(SOURCES["json"], first)
    keys = {stored_parts(SOURCES["json"], one, AuthenticationLevel.AUTHENTICATED)[2] for one in (first, second)}
    assert len(keys) == 2


# --- ends that are no recoveries -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("source", "name", "place", "value", "reason"),
    [
        *(
            ("grafana", "resolved", ("alerts", 0, "annotations"), {"grafana_state_reason": word}, reason)
            for word, reason in (
                ("Paused", "its rule was paused"),
                ("RuleDeleted", "its rule was deleted"),
                ("MissingSeries", "its series is missing"),
                ("Updated", "its rule was changed"),
                ("NoData", "no data"),
                ("Error", "could not be evaluated"),
                ("Novel", "Grafana gives the reason 'Novel'"),
            )
        ),
        ("grafana", "firing", ("alerts", 0, "annotations"), {"grafana_state_reason": "NoData"}, ""),
        ("google", "resolved", ("version",), "1.2", "Google closed it"),
        ("sentry", "resolved", ("data", "issue", "statusDetails"), {"autoResolved": True}, "without events"),
        ("sentry", "resolved", ("data", "issue", "statusDetails"), {"inNextRelease": True}, "next release"),
        ("sentry", "resolved", ("data", "issue", "statusDetails"), {"inRelease": "1.2"}, ""),
        ("sentry", "metric-resolved", ("data", "metric_alert", "status_method"), 2, "its rule was changed"),
        ("sentry", "metric-resolved", ("data", "metric_alert", "status_method"), 3, ""),
    ],
)
def test_an_end_that_is_no_recovery_has_its_reason(
    source: str, name: str, place: Place, value: object, reason: str
) -> None:
    """The vendor says that the rule was paused, changed or deleted, or that there is nothing to measure."""
    body = json.loads(sample(source, name, NOW).body)
    inner = body
    for step in place[:-1]:
        inner = inner[step]
    inner[place[-1]] = value
    alert = alert_of(source, RawRequest(json.dumps(body).encode(), sample(source, name, NOW).headers))
    assert alert.state == ("firing" if name == "firing" else "resolved")
    assert (reason in alert.no_recovery, bool(alert.no_recovery)) == (True, bool(reason))


def test_a_paused_rule_of_grafanas_old_alerting_has_not_recovered() -> None:
    """`no_data` fires, as a rule without data may hide trouble; a rule that waits is no alert yet."""

    def legacy(state: str) -> RawRequest:
        return RawRequest(json.dumps({"ruleId": 7, "ruleName": "Errors", "state": state}).encode())

    paused = alert_of("grafana", legacy("paused"))
    assert (paused.state, paused.no_recovery) == ("resolved", "its rule was paused")
    assert alert_of("grafana", legacy("no_data")).state == "firing"
    assert isinstance(read("grafana", legacy("pending")), NoAlert)


def test_sources_without_options_parse_as_before() -> None:
    """`parse_configured` is `parse`, except for the source whose options say what its messages mean."""
    for source, kind in SOURCES.items():
        request = stored_request(dict(request_of(source).headers), request_of(source).body)
        assert (kind.parse(request) == kind.parse_configured(request, {})) or source in OPTIONS
