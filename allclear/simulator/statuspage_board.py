"""The public status page: its components, and the incidents told to customers."""

from __future__ import annotations

import secrets
import string
from dataclasses import dataclass
from typing import Any

from allclear.simulator.event_log import Clock, EventLog
from allclear.simulator.scenario_schema import StatusPageSpec

Incident = dict[str, Any]
Component = dict[str, Any]
PostMortem = dict[str, Any]

COMPONENT_STATUSES = (
    "operational",
    "under_maintenance",
    "degraded_performance",
    "partial_outage",
    "major_outage",
)
_IMPACT = {"degraded_performance": "minor", "partial_outage": "major", "major_outage": "critical"}
_ENDED = ("resolved", "completed", "postmortem")


@dataclass(frozen=True)
class Report:
    """What one post tells customers; `None` leaves a part as it is."""

    name: str | None = None
    status: str | None = None
    body: str | None = None
    impact: str | None = None
    components: dict[str, str] | None = None
    component_ids: list[str] | None = None
    metadata: dict[str, Any] | None = None
    notify: bool = True


class StatuspageBoard:
    """Keeps incidents newest first, each with its updates newest first, as customers see them."""

    def __init__(self, spec: StatusPageSpec, clock: Clock, event_log: EventLog) -> None:
        self._clock, self._truth = clock, event_log
        self.page = spec.page
        self.incidents: list[Incident] = []
        self.post_mortems: dict[str, PostMortem] = {}
        """The post-mortems by the ids of their incidents."""
        self.components: dict[str, Component] = {}
        self.subscribers = {"email": 0, "sms": 0, "webhook": 0, "slack": 0, "teams": 0, "integration_partner": 0}
        """The active subscribers by type."""
        self.reopens = True
        """Whether a resolved incident may get an open status again; Statuspage's description does not say."""
        for position, name in enumerate(spec.components, start=1):
            component = self._component(name, position)
            self.components[component["id"]] = component

    def find(self, incident_id: str) -> Incident | None:
        """Return the incident of that id."""
        return next((i for i in self.incidents if i["id"] == incident_id), None)

    def unresolved(self) -> list[Incident]:
        """Return the incidents that customers still see as open."""
        return [i for i in self.incidents if i["status"] not in _ENDED]

    def refuses(self, incident: Incident, report: Report) -> bool:
        """Return whether the report opens a resolved incident again, and the page does not take that."""
        return not self.reopens and incident["status"] in _ENDED and report.status not in (None, *_ENDED)

    def shown(self, incident: Incident) -> Incident:
        """Return the incident with its components as they are now: another incident may have changed them."""
        components = [dict(self.components[component["id"]]) for component in incident["components"]]
        return {**incident, "components": components}

    def open(self, report: Report) -> Incident:
        """Tell customers of a new incident."""
        now, identity = self._now(), _status_id()
        incident: Incident = {
            "id": identity,
            "page_id": self.page,
            "name": report.name,
            "status": report.status or "investigating",
            "impact": "none",
            "impact_override": None,
            "created_at": now,
            "updated_at": now,
            "started_at": now,
            "monitoring_at": None,
            "resolved_at": None,
            "shortlink": f"https://stspg.io/{identity}",
            "metadata": {},
            "components": [],
            "incident_updates": [],
            "postmortem_body": None,
            "postmortem_published_at": None,
        }
        self.incidents.insert(0, incident)
        self._apply(incident, report, "opened")
        return incident

    def update(self, incident: Incident, report: Report) -> None:
        """Tell customers more, or that it is over."""
        incident["name"] = report.name or incident["name"]
        incident["status"] = report.status or incident["status"]
        if incident["status"] not in _ENDED:
            incident["resolved_at"] = None
        self._apply(incident, report, "updated")

    def _apply(self, incident: Incident, report: Report, action: str) -> None:
        now = incident["updated_at"] = self._now()
        if report.impact is not None:
            incident["impact_override"] = report.impact
        if report.metadata is not None:
            incident["metadata"] = report.metadata
        for state, field in (("monitoring", "monitoring_at"), ("resolved", "resolved_at")):
            if incident["status"] == state and incident[field] is None:
                incident[field] = now
        affected = self._affect(incident, report)
        if action == "opened" or report.status is not None or report.body is not None:
            incident["incident_updates"].insert(0, self._update(incident, report, affected))
        worst = [_IMPACT.get(component["status"], "none") for component in incident["components"]]
        ranks = ["none", "minor", "major", "critical"]
        incident["impact"] = incident["impact_override"] or max(
            [*worst, incident["impact"]],
            key=lambda impact: ranks.index(impact) if impact in ranks else 0,
        )
        self._truth.record(
            "status_post",
            action=action,
            incident=incident["id"],
            name=incident["name"],
            status=incident["status"],
            body=report.body or "",
            notified=sum(self.subscribers.values()) if report.notify else 0,
        )

    def draft_post_mortem(self, incident: Incident, text: str) -> PostMortem:
        """Write the draft of an incident's post-mortem."""
        now = self._now()
        post_mortem = self.post_mortems.setdefault(
            incident["id"], {"body": None, "published_at": None, "notify_subscribers": False, "created_at": now}
        )
        post_mortem.update(body_draft=text, body_draft_updated_at=now, updated_at=now)
        return post_mortem

    def publish_post_mortem(self, incident: Incident, *, notify: bool) -> PostMortem:
        """Show the draft to the public."""
        post_mortem, now = self.post_mortems[incident["id"]], self._now()
        post_mortem.update(body=post_mortem["body_draft"], published_at=now, notify_subscribers=notify, updated_at=now)
        incident.update(
            status="postmortem", postmortem_body=post_mortem["body"], postmortem_published_at=now, updated_at=now
        )
        self._truth.record(
            "post_mortem_published",
            incident=incident["id"],
            body=post_mortem["body"],
            notified=self.subscribers["email"] if notify else 0,
        )
        return post_mortem

    def revert_post_mortem(self, incident: Incident) -> PostMortem:
        """Make the published post-mortem a draft again."""
        post_mortem = self.post_mortems[incident["id"]]
        post_mortem.update(body=None, published_at=None, updated_at=self._now())
        incident.update(status="resolved", postmortem_body=None, postmortem_published_at=None)
        return post_mortem

    def _affect(self, incident: Incident, report: Report) -> list[dict[str, str]]:
        affected: list[dict[str, str]] = []
        mine = {component["id"] for component in incident["components"]}
        mine |= {*(report.component_ids or []), *(report.components or {})}
        for identity, status in (report.components or {}).items():
            component = self.components[identity]
            affected.append(
                {
                    "code": identity,
                    "name": component["name"],
                    "old_status": component["status"],
                    "new_status": status,
                }
            )
            component.update(status=status, updated_at=self._now())
        incident["components"] = [dict(component) for key, component in self.components.items() if key in mine]
        return affected

    def _update(self, incident: Incident, report: Report, affected: list[dict[str, str]]) -> dict[str, Any]:
        now = self._now()
        return {
            "id": _status_id(),
            "incident_id": incident["id"],
            "status": incident["status"],
            "body": report.body or "",
            "affected_components": affected,
            "created_at": now,
            "updated_at": now,
            "display_at": now,
            "deliver_notifications": report.notify,
            "wants_twitter_update": False,
        }

    def _component(self, name: str, position: int) -> Component:
        return {
            "id": _status_id(),
            "page_id": self.page,
            "group_id": None,
            "name": name,
            "description": "",
            "position": position,
            "status": "operational",
            "group": False,
            "showcase": True,
            "only_show_if_degraded": False,
            "created_at": self._now(),
            "updated_at": self._now(),
        }

    def _now(self) -> str:
        return self._clock().strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"


def _status_id() -> str:
    return "".join(secrets.choice(string.ascii_lowercase + string.digits) for _ in range(12))
