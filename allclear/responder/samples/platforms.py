"""What platforms send that a company builds on, and what it may send itself."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

JsonDict = dict[str, Any]
_INSTALLATION = {"uuid": "3c1f0d52-8f0e-4d57-9a55-3b0f6f1e7a90"}
_ISSUE = "5512740981"


def _iso(at: datetime) -> str:
    return at.isoformat().replace("+00:00", "Z")


def _sentry_issue(action: str) -> Callable[[datetime], JsonDict]:
    return lambda at: {
        "action": action,
        "installation": _INSTALLATION,
        "actor": {"type": "application", "id": "sentry", "name": "Sentry"},
        "data": {
            "issue": {
                "id": _ISSUE,
                "shortId": "SAMPLE-SHOP-9",
                "title": "PaymentError: the card service did not answer",
                "culprit": "checkout.pay",
                "level": "error",
                "platform": "python",
                "type": "error",
                "status": "resolved" if action == "resolved" else "unresolved",
                "count": "42",
                "metadata": {"type": "PaymentError", "value": "the card service did not answer"},
                "project": {"id": "77", "name": "sample-shop", "slug": "sample-shop", "platform": "python"},
                "firstSeen": _iso(at),
                "lastSeen": _iso(at),
            }
        },
    }


def _sentry_event(at: datetime) -> JsonDict:
    return {
        "action": "triggered",
        "installation": _INSTALLATION,
        "actor": {"type": "application", "id": "sentry", "name": "Sentry"},
        "data": {
            "event": {
                "event_id": "0f1e2d3c4b5a69788796a5b4c3d2e1f0",
                "issue_id": _ISSUE,
                "project": 77,
                "level": "error",
                "title": "PaymentError: the card service did not answer",
                "platform": "python",
                "environment": "production",
                "release": "sample-shop@4.2.0",
                "datetime": _iso(at),
                "url": "https://sentry.io/api/0/projects/sample-org/sample-shop/events/0f1e2d3c4b5a6978/",
                "issue_url": f"https://sentry.io/api/0/issues/{_ISSUE}/",
            },
            "triggered_rule": "Sample: payment errors",
        },
    }


def _sentry_metric(action: str) -> Callable[[datetime], JsonDict]:
    return lambda at: {
        "action": action,
        "installation": _INSTALLATION,
        "actor": {"type": "application", "id": "sentry", "name": "Sentry"},
        "data": {
            "description_title": f"{action.title()}: Sample error count",
            "description_text": "1000 events in the last 10 minutes",
            "web_url": "https://sentry.io/alerts/1/",
            "metric_alert": {
                "id": "431",
                "identifier": "12",
                "organization_id": "5",
                "title": "Sample error count",
                "projects": ["sample-shop"],
                "status": 2 if action == "resolved" else 20,
                "date_started": _iso(at),
                "date_closed": None,
                "alert_rule": {"id": "7", "name": "Sample error count", "environment": "production"},
            },
        },
    }


def _pagerduty(kind: str) -> Callable[[datetime], JsonDict]:
    service = {"id": "PSAMPLE", "summary": "Sample shop", "type": "service_reference"}
    return lambda at: {
        "event": {
            "id": "01SAMPLE0000000000000000",
            "event_type": kind,
            "resource_type": "incident",
            "occurred_at": _iso(at),
            "agent": None,
            "client": None,
            "data": {
                "id": "Q1SAMPLE7",
                "type": "incident",
                "html_url": "https://sample.pagerduty.com/incidents/Q1SAMPLE7",
                "number": 12,
                "status": kind.split(".")[1],
                "incident_key": "sample-key",
                "title": "Sample: payments fail",
                "created_at": _iso(at),
                "service": service,
                "urgency": "high",
                "priority": {"summary": "P1"},
                "teams": [{"id": "PTEAM", "summary": "Payments"}],
                "resolve_reason": None,
            },
        }
    }


def _pagerduty_ping(at: datetime) -> JsonDict:
    return {
        "event": {
            "id": "01SAMPLEPING",
            "event_type": "pagey.ping",
            "resource_type": "pagey",
            "occurred_at": _iso(at),
            "agent": None,
            "client": None,
            "data": {"message": "Hello from your friend Pagey!", "type": "ping"},
        }
    }


def _supabase(kind: str, status: str) -> Callable[[datetime], JsonDict]:
    def make(at: datetime) -> JsonDict:
        row = {
            "id": 41,
            "status": status,
            "title": "Sample: orders pile up",
            "severity": "high",
            "service": "sample-shop",
            "created_at": _iso(at),
            "updated_at": _iso(at),
        }
        before = {**row, "status": "firing"} if kind == "UPDATE" else None
        return {"type": kind, "table": "alerts", "schema": "public", "record": row, "old_record": before}

    return make


def _vercel(kind: str) -> Callable[[datetime], JsonDict]:
    return lambda at: {
        "id": f"uev_{int(at.timestamp())}",
        "type": kind,
        "createdAt": int(at.timestamp() * 1000),
        "region": None,
        "payload": {
            "team": {"id": "team_sample"},
            "user": {"id": "user_sample"},
            "plan": "pro",
            "target": "production",
            "project": {"id": "prj_sample"},
            "regions": ["fra1"],
            "deployment": {
                "id": "dpl_sample",
                "name": "sample-shop",
                "url": "sample-shop-1.vercel.app",
                "meta": {"githubCommitRef": "main"},
            },
        },
    }


_REPOSITORY = {"id": 812345678, "name": "sample-shop", "full_name": "sample-org/sample-shop"}


def _github_run(conclusion: str) -> Callable[[datetime], JsonDict]:
    return lambda at: {
        "action": "completed",
        "repository": _REPOSITORY,
        "workflow_run": {
            "id": 9911223344,
            "workflow_id": 55667788,
            "name": "Deploy",
            "head_branch": "main",
            "event": "push",
            "status": "completed",
            "conclusion": conclusion,
            "updated_at": _iso(at),
            "head_repository": _REPOSITORY,
        },
    }


def _github_deployment(state: str) -> Callable[[datetime], JsonDict]:
    return lambda at: {
        "action": "created",
        "repository": _REPOSITORY,
        "deployment": {"id": 7788, "environment": "production", "ref": "main"},
        "deployment_status": {"id": 8899, "state": state, "environment": "production", "created_at": _iso(at)},
    }


def _cloud_event(kind: str) -> Callable[[datetime], JsonDict]:
    return lambda at: {
        "specversion": "1.0",
        "id": f"sample-{at.timestamp()}",
        "source": "/sample/shop",
        "subject": "checkout",
        "type": f"com.example.checkout.{kind}",
        "time": _iso(at),
        "datacontenttype": "application/json",
        "data": {"title": "Sample: checkouts fail", "severity": "critical", "service": "sample-shop"},
    }


def _cloud_event_data(_at: datetime) -> JsonDict:
    return {"title": "Sample: checkouts fail", "severity": "critical", "service": "sample-shop"}


def _json(status: str) -> Callable[[datetime], JsonDict]:
    return lambda at: {
        "key": "sample-checkout",
        "title": "Sample: customers cannot pay",
        "status": status,
        "at": _iso(at),
        "labels": {"alertname": "SampleReport", "severity": "high", "service": "sample-shop"},
    }


BODIES: dict[str, dict[str, Callable[[datetime], object]]] = {
    "json": {"firing": _json("firing"), "resolved": _json("resolved")},
    "sentry": {
        "firing": _sentry_event,
        "resolved": _sentry_issue("resolved"),
        "issue": _sentry_issue("created"),
        "metric": _sentry_metric("critical"),
        "metric-resolved": _sentry_metric("resolved"),
        "test": lambda _at: {"action": "created", "data": {"installation": _INSTALLATION}},
    },
    "pagerduty": {
        "firing": _pagerduty("incident.triggered"),
        "resolved": _pagerduty("incident.resolved"),
        "test": _pagerduty_ping,
    },
    "supabase": {"firing": _supabase("INSERT", "firing"), "resolved": _supabase("UPDATE", "resolved")},
    "vercel": {"firing": _vercel("deployment.error"), "resolved": _vercel("deployment.succeeded")},
    "github": {
        "firing": _github_run("failure"),
        "resolved": _github_run("success"),
        "deployment": _github_deployment("failure"),
        "deployment-resolved": _github_deployment("success"),
        "test": lambda _at: {"zen": "Keep it logically awesome.", "hook_id": 1, "repository": _REPOSITORY},
    },
    "cloudevents": {
        "firing": _cloud_event("failed"),
        "resolved": _cloud_event("recovered"),
        "binary": _cloud_event_data,
        "batch": lambda at: [_cloud_event("failed")(at)],
    },
}
"""Source -> sample -> its body."""

_STRUCTURED = {"Content-Type": "application/cloudevents+json; charset=utf-8"}

HEADERS: dict[str, dict[str, dict[str, str]]] = {
    "sentry": {
        "firing": {"Sentry-Hook-Resource": "event_alert"},
        "resolved": {"Sentry-Hook-Resource": "issue"},
        "issue": {"Sentry-Hook-Resource": "issue"},
        "metric": {"Sentry-Hook-Resource": "metric_alert"},
        "metric-resolved": {"Sentry-Hook-Resource": "metric_alert"},
        "test": {"Sentry-Hook-Resource": "installation"},
    },
    "github": {
        "firing": {"X-GitHub-Event": "workflow_run"},
        "resolved": {"X-GitHub-Event": "workflow_run"},
        "deployment": {"X-GitHub-Event": "deployment_status"},
        "deployment-resolved": {"X-GitHub-Event": "deployment_status"},
        "test": {"X-GitHub-Event": "ping"},
    },
    "cloudevents": {
        "firing": _STRUCTURED,
        "resolved": _STRUCTURED,
        "batch": {"Content-Type": "application/cloudevents-batch+json"},
        "binary": {
            "ce-specversion": "1.0",
            "ce-type": "com.example.checkout.failed",
            "ce-source": "/sample/shop",
            "ce-subject": "checkout",
        },
    },
}
"""Source -> sample -> the headers that say what the body is."""
