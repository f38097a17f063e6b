"""What monitoring systems send: one trouble of a made-up shop, and its end."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

JsonDict = dict[str, Any]

_NEVER = "0001-01-01T00:00:00Z"
_LASTED = timedelta(minutes=7)


def _iso(at: datetime) -> str:
    return at.isoformat().replace("+00:00", "Z")


def _group_alert(at: datetime, status: str, fingerprint: str) -> JsonDict:
    over = status == "resolved"
    return {
        "status": status,
        "labels": {"alertname": "SampleCheckoutErrors", "severity": "critical", "service": "sample-shop"},
        "annotations": {"summary": "Sample: one checkout in five fails"},
        "startsAt": _iso(at - _LASTED if over else at),
        "endsAt": _iso(at) if over else _NEVER,
        "generatorURL": "https://monitoring.example.com/graph?g0.expr=errors",
        "fingerprint": fingerprint,
    }


def _alertmanager(status: str) -> Callable[[datetime], JsonDict]:
    return lambda at: {
        "version": "4",
        "groupKey": '{}:{alertname="SampleCheckoutErrors"}',
        "truncatedAlerts": 0,
        "status": status,
        "receiver": "allclear",
        "groupLabels": {"alertname": "SampleCheckoutErrors"},
        "commonLabels": {},
        "commonAnnotations": {},
        "externalURL": "https://monitoring.example.com",
        "alerts": [_group_alert(at, status, "5a3c1e0f97b2d846")],
    }


def _grafana(status: str) -> Callable[[datetime], JsonDict]:
    return lambda at: {
        "receiver": "allclear",
        "status": status,
        "orgId": 1,
        "version": "1",
        "groupKey": "{}:{}",
        "truncatedAlerts": 0,
        "title": f"[{status.upper()}:1] SampleCheckoutErrors",
        "state": "alerting",
        "alerts": [_group_alert(at, status, "c84e20d1a6f3975b") | {"values": {"B": 0.21, "C": 1}}],
    }


def _grafana_test(at: datetime) -> JsonDict:
    alert = {
        "status": "firing",
        "labels": {"alertname": "TestAlert", "instance": "Grafana"},
        "annotations": {"summary": "Notification test"},
        "startsAt": _iso(at),
        "endsAt": _NEVER,
        "fingerprint": "57c6d9296de2ad39",
    }
    return {"receiver": "test", "status": "firing", "orgId": 1, "alerts": [alert]}


def _google(state: str) -> Callable[[datetime], JsonDict]:
    def make(at: datetime) -> JsonDict:
        closed = state == "closed"
        return {
            "version": "1.2",
            "incident": {
                "incident_id": "0.sample9x4kq2",
                "scoping_project_id": "sample-project",
                "scoping_project_number": 123456789012,
                "state": state,
                "severity": "Critical",
                "policy_name": "Sample checkout latency",
                "condition_name": "p95 over two seconds",
                "summary": "Request latency for sample-shop is above the threshold of 2000 with a value of 4100.",
                "started_at": int((at - _LASTED).timestamp()),
                "ended_at": int(at.timestamp()) if closed else None,
                "policy_user_labels": {"team": "payments"},
                "observed_value": "4100",
                "threshold_value": "2000",
                "metric": {"type": "run.googleapis.com/request_latencies", "displayName": "Latency", "labels": {}},
                "resource": {"type": "cloud_run_revision", "labels": {"service_name": "sample-shop"}},
                "url": "https://console.cloud.google.com/monitoring/alerting/incidents/0.sample9x4kq2",
            },
        }

    return make


def _google_test(at: datetime) -> JsonDict:
    incident = {
        "incident_id": "12345",
        "state": "OPEN",
        "summary": "Test Incident",
        "started_at": int(at.timestamp()),
        "ended_at": None,
    }
    return {"version": "test", "incident": incident}


def _better_stack(status: str) -> Callable[[datetime], JsonDict]:
    def make(at: datetime) -> JsonDict:
        over = status == "Resolved"
        attributes = {
            "name": "Sample shop",
            "url": "https://shop.example.com",
            "http_method": "get",
            "cause": "Status 503",
            "started_at": _iso(at - _LASTED),
            "acknowledged_at": None,
            "resolved_at": _iso(at) if over else None,
            "status": status,
            "team_name": "Sample team",
            "regions": ["eu", "us"],
        }
        monitor = {"data": {"id": "2", "type": "monitor"}}
        return {
            "data": {
                "id": "7310442",
                "type": "incident",
                "attributes": attributes,
                "relationships": {"monitor": monitor},
            }
        }

    return make


def _uptime_robot(kind: str, details: str) -> Callable[[datetime], JsonDict]:
    return lambda at: {
        "monitorID": "790123456",
        "monitorURL": "https://shop.example.com",
        "monitorFriendlyName": "Sample shop",
        "alertType": kind,
        "alertTypeFriendlyName": {"1": "Down", "2": "Up"}.get(kind, "SSL expiry"),
        "alertDetails": details,
        "alertDateTime": str(int(at.timestamp())),
        "alertDuration": "420",
    }


def _status_cake(status: str, code: str) -> Callable[[datetime], JsonDict]:
    return lambda _at: {
        "URL": "https://shop.example.com",
        "Name": "Sample shop",
        "StatusCode": code,
        "Status": status,
        "Tags": "service:sample-shop,web",
        "TestID": "6512874",
        "Checkrate": "60",
        "IP": "192.0.2.7",
        "Method": "HTTP",
    }


def _pingdom(before: str, after: str) -> Callable[[datetime], JsonDict]:
    return lambda at: {
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


def _datadog(transition: str) -> Callable[[datetime], JsonDict]:
    return lambda at: {
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


BODIES: dict[str, dict[str, Callable[[datetime], object]]] = {
    "alertmanager": {"firing": _alertmanager("firing"), "resolved": _alertmanager("resolved")},
    "grafana": {"firing": _grafana("firing"), "resolved": _grafana("resolved"), "test": _grafana_test},
    "google": {"firing": _google("open"), "resolved": _google("closed"), "test": _google_test},
    "betterstack": {"firing": _better_stack("Started"), "resolved": _better_stack("Resolved")},
    "uptimerobot": {
        "firing": _uptime_robot("1", "HTTP 503 - Service Unavailable"),
        "resolved": _uptime_robot("2", "HTTP 200 - OK"),
        "expiry": _uptime_robot("3", "The certificate ends in 7 days"),
    },
    "statuscake": {"firing": _status_cake("Down", "503"), "resolved": _status_cake("Up", "200")},
    "pingdom": {"firing": _pingdom("UP", "DOWN"), "resolved": _pingdom("DOWN", "UP")},
    "datadog": {"firing": _datadog("Triggered"), "resolved": _datadog("Recovered")},
}
"""Source -> sample -> its body."""
