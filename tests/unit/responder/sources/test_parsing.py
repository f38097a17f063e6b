"""How each source parses a body: identity, state, labels, time, and requests without an alert."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest

from allclear.domain.alert import Alert
from allclear.responder.sources import SOURCES
from allclear.responder.sources.request import RawRequest
from allclear.responder.sources.source import IncompleteAlerts, NoAlert
from tests.unit.responder.sources.sources_support import NOW, SAMPLES, alert_of, read, request_of, sample

BODIES = Path(__file__).parent / "bodies"
ENDS = [
    ("firing", "resolved"),
    ("metric", "metric-resolved"),
    ("deployment", "deployment-resolved"),
    ("issue", "resolved"),
    ("binary", "resolved"),
    ("batch", "resolved"),
]

Change = Callable[[dict[str, Any]], object]


def changed(source: str, name: str, change: Change) -> RawRequest:
    """Return an unsigned sample whose body was changed; parsing does not depend on the signature."""
    unchanged = sample(source, name, NOW)
    body = json.loads(unchanged.body)
    change(body)
    return RawRequest(json.dumps(body).encode(), unchanged.headers)


def reason_for_no_alert(source: str, request: RawRequest) -> str:
    """Return why a request holds no alert."""
    result = read(source, request)
    assert isinstance(result, NoAlert), result
    return result.reason


def test_every_source_has_samples_of_an_alert_and_of_its_resolution() -> None:
    """Every installed source has its own name, and samples for `firing` and `resolved`."""
    assert all(source.name == name for name, source in SOURCES.items())
    assert all({"firing", "resolved"} <= set(names) for names in SAMPLES.values())


@pytest.mark.parametrize(
    ("source", "begins", "ends"),
    [(source, *pair) for source, names in SAMPLES.items() for pair in ENDS if set(pair) <= set(names)],
)
def test_an_alert_and_its_resolution_have_the_same_key(source: str, begins: str, ends: str) -> None:
    """Both have the same key. The alert has labels, a printable title, and a time in UTC or none."""
    first, last = alert_of(source, request_of(source, begins)), alert_of(source, request_of(source, ends))
    assert (first.state, last.state) == ("firing", "resolved")
    assert first.key == last.key
    assert first.source == source
    assert not first.authenticated
    assert first.labels["alertname"]
    assert all(isinstance(value, str) for value in first.labels.values())
    assert first.title.isprintable()
    assert first.at is None or first.at.tzinfo is UTC


@pytest.mark.parametrize("source", [source for source, names in SAMPLES.items() if "test" in names])
def test_a_vendors_test_is_no_alert(source: str) -> None:
    """The vendor's own test request is recognised as a test."""
    assert reason_for_no_alert(source, request_of(source, "test")).startswith("A test call: ")


@pytest.mark.parametrize(
    ("source", "name", "change", "reason"),
    [
        ("sentry", "issue", lambda body: body.update(action="assigned"), "assigned"),
        ("sentry", "issue", lambda body: body.update(action="archived"), "archived"),
        ("pagerduty", "firing", lambda body: body["event"].update(event_type="incident.acknowledged"), "acknowledged"),
        ("pagerduty", "firing", lambda body: body["event"].update(event_type="service.updated"), "service.updated"),
        (
            "pagerduty",
            "resolved",
            lambda body: body["event"]["data"].update(resolve_reason={"type": "merge_resolve_reason"}),
            "merged",
        ),
        ("betterstack", "firing", lambda body: body["data"].update(type="monitor"), "monitor"),
        ("betterstack", "firing", lambda body: body["data"]["attributes"].update(status="Validating"), "Validating"),
        ("supabase", "firing", lambda body: body.update(type="DELETE", record=None), "deleted"),
        ("vercel", "firing", lambda body: body.update(type="deployment.created"), "deployment.created"),
        ("github", "firing", lambda body: body.update(action="requested"), "no result"),
        ("github", "firing", lambda body: body["workflow_run"].update(conclusion="cancelled"), "cancelled"),
        ("github", "firing", lambda body: body["workflow_run"]["head_repository"].update(id=1), "fork"),
        ("github", "deployment", lambda body: body["deployment_status"].update(state="queued"), "queued"),
        ("cloudevents", "firing", lambda body: body.update(type="com.example.order.created"), "order.created"),
    ],
)
def test_events_of_other_kinds_are_no_alerts(source: str, name: str, change: Change, reason: str) -> None:
    """A documented event that is neither a problem nor its end is ignored, and the reason says why."""
    assert reason in reason_for_no_alert(source, changed(source, name, change))


def test_a_github_push_is_no_alert() -> None:
    """The reason names the event, which was subscribed to by accident."""
    request = RawRequest(b'{"ref": "refs/heads/main"}', (("X-GitHub-Event", "push"),))
    assert "'push'" in reason_for_no_alert("github", request)


@pytest.mark.parametrize(
    ("source", "name", "change", "expected"),
    [
        ("sentry", "issue", lambda body: body["data"]["issue"].update(id=5512740981), {}),
        ("sentry", "firing", lambda body: body["data"]["event"].update(issue_id=5512740981, release=None), {}),
        ("sentry", "metric", lambda body: body["data"]["metric_alert"].update(id=431, organization_id=5), {}),
        (
            "pagerduty",
            "firing",
            lambda body: body["event"]["data"].update(priority=None, teams=None),
            {"severity": "high"},
        ),
        (
            "google",
            "firing",
            lambda body: body["incident"].update(
                scoping_project_number="12", started_at="1795323600", severity=None, metric=None, resource=None
            ),
            {},
        ),
        ("betterstack", "firing", lambda body: body["data"].update(id=7310442), {}),
        (
            "uptimerobot",
            "firing",
            lambda body: body.update(monitorID=790123456, alertType=1, alertDateTime=1795323600),
            {},
        ),
        ("pingdom", "firing", lambda body: body.update(check_id="4418827", tags=None, check_params=None), {}),
        ("datadog", "firing", lambda body: body.update(org_id=1234, alert_id=1234567), {}),
        ("supabase", "firing", lambda body: body["record"].update(id="41", status="OPEN"), {}),
        ("vercel", "firing", lambda body: body.update(createdAt=str(int(NOW.timestamp() * 1000))), {}),
        (
            "github",
            "firing",
            lambda body: body["workflow_run"].update(workflow_id="55667788", head_repository=None),
            {},
        ),
        ("grafana", "firing", lambda body: body.update(orgId="1"), {}),
        (
            "json",
            "firing",
            lambda body: body["labels"].update(percent=20, paging=True, nested={"a": 1}),
            {"percent": "20", "paging": "true"},
        ),
    ],
)
def test_numbers_and_texts_have_the_same_meaning(
    source: str, name: str, change: Change, expected: dict[str, str]
) -> None:
    """An id is the same as a number and as a text; null and nested values are left out of the labels."""
    alert, usual = alert_of(source, changed(source, name, change)), alert_of(source, request_of(source, name))
    assert (alert.key, alert.state) == (usual.key, usual.state)
    assert expected.items() <= alert.labels.items()
    assert "nested" not in alert.labels


@pytest.mark.parametrize(
    ("source", "name", "change"),
    [
        ("sentry", "firing", lambda body: body["data"]["event"].pop("issue_id")),
        ("sentry", "firing", lambda body: body["data"].pop("event")),
        ("sentry", "metric", lambda body: body["data"]["metric_alert"].update(id=[1])),
        ("pagerduty", "firing", lambda body: body["event"].pop("data")),
        ("pagerduty", "firing", lambda body: body.pop("event")),
        ("google", "firing", lambda body: body["incident"].pop("incident_id")),
        ("google", "firing", lambda body: body.pop("incident")),
        ("betterstack", "firing", lambda body: body["data"].pop("id")),
        ("uptimerobot", "firing", lambda body: body.pop("monitorID")),
        ("pingdom", "firing", lambda body: body.update(check_id=None)),
        ("datadog", "firing", lambda body: body.update(alert_cycle_key="", aggreg_key="null", alert_id="$ALERT_ID")),
        ("supabase", "firing", lambda body: body.update(type="TRUNCATE")),
        ("vercel", "firing", lambda body: body["payload"].update(project={})),
        ("github", "firing", lambda body: body["workflow_run"].update(workflow_id=True)),
        ("alertmanager", "firing", lambda body: body["alerts"][0].update(status="suppressed")),
        ("grafana", "firing", lambda body: body.update(alerts=[])),
        ("cloudevents", "firing", lambda body: body.update(specversion="0.3")),
        ("cloudevents", "firing", lambda body: body.update(id="")),
        ("json", "firing", lambda body: body.update(key="")),
    ],
)
def test_a_body_without_identity_or_state_is_rejected_with_one_sentence(source: str, name: str, change: Change) -> None:
    """If the identity or the state of an alert is missing, it is not guessed."""
    with pytest.raises(ValueError, match=r"^[^\n]{5,300}$"):
        read(source, changed(source, name, change))


def test_a_group_may_hold_thousands_of_alerts() -> None:
    """Five thousand alerts in one body are all parsed."""
    alert = {"status": "firing", "labels": {"alertname": "Down"}}
    alerts = [alert | {"fingerprint": str(number)} for number in range(5000)]
    request = RawRequest(json.dumps({"alerts": alerts}).encode())
    alerts_read = SOURCES["alertmanager"].parse(request)
    assert isinstance(alerts_read, list)
    assert len({alert.key for alert in alerts_read}) == 5000


def test_each_alert_of_a_group_has_its_own_state() -> None:
    """A resolved group with a firing and a resolved alert gives two alerts with different keys."""

    def add(body: dict[str, Any]) -> None:
        body["status"] = "resolved"
        body["alerts"].append({**body["alerts"][0], "status": "resolved", "fingerprint": "other", "labels": {"a": "b"}})

    for source in ("alertmanager", "grafana"):
        alerts = read(source, changed(source, "firing", add))
        assert isinstance(alerts, list)
        assert [alert.state for alert in alerts] == ["firing", "resolved"]
        assert len({alert.key for alert in alerts}) == 2


def test_an_alert_of_an_old_alertmanager_is_identified_by_its_labels() -> None:
    """Without a fingerprint the labels identify the alert, in any order."""
    keys = set[str]()
    for direction in (1, -1):

        def drop_fingerprint(body: dict[str, Any], direction: int = direction) -> None:
            alert = body["alerts"][0]
            alert["labels"] = dict(list(alert["labels"].items())[::direction])
            del alert["fingerprint"]

        keys.add(alert_of("alertmanager", changed("alertmanager", "firing", drop_fingerprint)).key)
    assert len(keys) == 1


def test_the_same_rule_in_two_organisations_of_grafana_has_two_keys() -> None:
    """Two organisations may have a rule of the same id."""
    other = alert_of("grafana", changed("grafana", "firing", lambda body: body.update(orgId=2)))
    assert other.key != alert_of("grafana", request_of("grafana")).key


def test_grafanas_legacy_notifications_are_parsed() -> None:
    """Their `state` decides, and the rule 0 is Grafana's test."""

    def legacy(**more: object) -> RawRequest:
        body = {
            "ruleId": 7,
            "ruleName": "Errors",
            "title": "[Alerting] Errors",
            "state": "alerting",
            "orgId": 1,
            **more,
        }
        return RawRequest(json.dumps(body).encode())

    first, last = alert_of("grafana", legacy()), alert_of("grafana", legacy(state="ok"))
    assert (first.key, first.state, first.labels) == ("1/rule/7", "firing", {"alertname": "Errors"})
    assert (last.key, last.state) == ("1/rule/7", "resolved")
    assert reason_for_no_alert("grafana", legacy(ruleId=0)).startswith("A test call")


def test_a_sentry_issue_alert_is_resolved_by_its_issue() -> None:
    """An issue alert is never resolved by itself; the resolved issue of the same id has the same key."""
    alert = alert_of("sentry", changed("sentry", "firing", lambda body: body.update(action="resolved")))
    assert alert.state == "firing"
    assert alert.key == alert_of("sentry", request_of("sentry", "resolved")).key
    assert alert_of("sentry", request_of("sentry", "resolved")).at is None


def test_sentrys_body_is_parsed_without_its_header() -> None:
    """If the header with the resource is missing, the fields of the data decide."""
    for name in ("firing", "issue", "metric"):
        bare = RawRequest(sample("sentry", name, NOW).body)
        assert alert_of("sentry", bare) == alert_of("sentry", request_of("sentry", name))


def test_an_incident_closed_by_google_is_not_called_recovered() -> None:
    """The alert is resolved, and its title says only that the incident was closed."""
    alert = alert_of("google", request_of("google", "resolved"))
    assert (alert.state, alert.title.startswith("closed: ")) == ("resolved", True)
    assert alert.at == NOW


def test_a_certificate_that_expires_has_its_own_key() -> None:
    """The "up" event of the same monitor does not resolve it."""
    expiry, up = (alert_of("uptimerobot", request_of("uptimerobot", name)) for name in ("expiry", "resolved"))
    assert (expiry.state, expiry.labels["severity"]) == ("firing", "warning")
    assert expiry.key != up.key


def test_uptimerobot_may_send_a_form() -> None:
    """POST parameters are parsed like JSON; the error for an empty body says what to change at UptimeRobot."""
    form = RawRequest(
        b"monitorID=790123456&alertType=1&monitorFriendlyName=Shop",
        (("Content-Type", "application/x-www-form-urlencoded"),),
    )
    assert alert_of("uptimerobot", form).key == alert_of("uptimerobot", request_of("uptimerobot")).key
    with pytest.raises(ValueError, match="not the query string"):
        read("uptimerobot", RawRequest(b""))


@pytest.mark.parametrize(
    ("status", "state"), [("UP", "resolved"), ("up", "resolved"), ("Down", "firing"), ("DOWN ", "firing")]
)
def test_the_case_of_statuscakes_status_does_not_matter(status: str, state: str) -> None:
    """Up and Down may be written in any case. Tags become labels."""
    alert = alert_of("statuscake", RawRequest(f"TestID=9&Status={status}&Tags=env%3Aprod,web".encode()))
    assert (alert.key, alert.state, alert.labels["env"]) == ("9", state, "prod")


@pytest.mark.parametrize(
    ("transition", "state"),
    [
        ("Triggered", "firing"),
        ("Re-Triggered", "firing"),
        ("No Data", "firing"),
        ("Re-No Data", "firing"),
        ("Warn", "firing"),
        ("Renotify", "firing"),
        ("Recovered", "resolved"),
    ],
)
def test_datadogs_transition_decides_the_state(transition: str, state: str) -> None:
    """Every transition for a problem fires; only `Recovered` resolves."""
    request = changed("datadog", "firing", lambda body: body.update(alert_transition=transition))
    assert alert_of("datadog", request).state == state


def test_datadogs_identity_falls_back_to_group_and_monitor() -> None:
    """Without a cycle the group identifies the alert; without both, the monitor with its scope."""
    no_cycle = changed("datadog", "firing", lambda body: body.update(alert_cycle_key=""))
    bare = changed("datadog", "firing", lambda body: body.update(alert_cycle_key="null", aggreg_key=""))
    assert alert_of("datadog", no_cycle).key == "1234/group/sampleaggregkey0"
    assert alert_of("datadog", bare).key.startswith("1234/monitor/1234567/")


def test_githubs_form_is_parsed_like_its_json() -> None:
    """With GitHub's default content type, the JSON is in a field of a form."""
    form = RawRequest(
        urlencode({"payload": sample("github", "firing", NOW).body.decode()}).encode(),
        (("Content-Type", "application/x-www-form-urlencoded"), ("X-GitHub-Event", "workflow_run")),
    )
    assert alert_of("github", form) == alert_of("github", request_of("github"))


def test_a_binary_cloud_event_equals_the_structured_one() -> None:
    """Attributes in headers and data in the body are the same event; its source and id identify the delivery."""
    binary = request_of("cloudevents", "binary")
    assert alert_of("cloudevents", binary) == alert_of("cloudevents", request_of("cloudevents"))
    delivery_id = SOURCES["cloudevents"].delivery_id(binary)
    assert delivery_id
    assert delivery_id != SOURCES["cloudevents"].delivery_id(request_of("cloudevents", "binary"))
    with pytest.raises(ValueError, match="no CloudEvent"):
        read("cloudevents", RawRequest(b"{}", (("Content-Type", "application/json"),)))


def test_each_event_of_a_batch_is_an_alert() -> None:
    """Events of other types are left out and counted; an empty batch holds no alert; an odd event is quarantined."""

    def batch(*kinds: str, **more: object) -> RawRequest:
        event = json.loads(sample("cloudevents", "firing", NOW).body) | more
        body = [{**event, "type": f"com.example.checkout.{kind}", "subject": kind} for kind in kinds]
        return RawRequest(json.dumps(body).encode(), (("Content-Type", "application/cloudevents-batch+json"),))

    alerts = read("cloudevents", batch("failed", "recovered", "created"))
    assert isinstance(alerts, IncompleteAlerts)
    assert [alert.state for alert in alerts] == ["firing", "resolved"]
    assert alerts.note.startswith("1 of 3 messages are no alerts. The type 'com.example.checkout.created'")
    assert not alerts.quarantined
    assert reason_for_no_alert("cloudevents", batch()) == "The batch is empty."
    assert "checkout.created" in reason_for_no_alert("cloudevents", batch("created"))
    with pytest.raises(ValueError, match="alert 1: source"):
        read("cloudevents", batch("failed", "created", source=[]))


@pytest.mark.parametrize(
    ("file", "source", "state"),
    [
        ("alertmanager-firing.json", "alertmanager", "firing"),
        ("alertmanager-group-resolved-alert-firing.json", "alertmanager", "firing"),
        ("alertmanager-without-fingerprint.json", "alertmanager", "firing"),
        ("uptimerobot-down.json", "uptimerobot", "firing"),
        ("google-open.json", "google", "firing"),
        ("google-closed-without-end.json", "google", "resolved"),
        ("sentry-metric-resolved.json", "sentry", "resolved"),
        ("sentry-issue-created.json", "sentry", "firing"),
    ],
)
def test_a_complete_body_of_a_vendor_is_parsed(file: str, source: str, state: str) -> None:
    """Bodies with every field that the vendor sends, independent of our samples, give one alert each."""
    alert: Alert = alert_of(source, RawRequest((BODIES / file).read_bytes()))
    assert (alert.state, bool(alert.key), bool(alert.title)) == (state, True, True)
