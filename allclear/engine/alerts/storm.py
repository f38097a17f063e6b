"""Alert storms: a token bucket for each source, and the umbrella incident that further alerts join.

Private incidents have no umbrella: it gathers and counts the public ones only, and so shows nothing that is private.

*Source:* the numbers are the plan's (`allclear.domain.plan.alert_storm`).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from allclear.domain.incident import Incident
from allclear.domain.plan import Limit, Plan
from allclear.domain.privacy import is_private
from allclear.domain.records import AlertsCollapsed, By, IncidentOpened, StormJoined
from allclear.engine.incidents import open_under, readable
from allclear.engine.response.flow_starts import start_message
from allclear.journal.ports import Journal

BY = By(actor="allclear", via="storm")
_KEY = "storm"

_RESERVED = 0.2
"""The share of a source's bucket that the lowest severity leaves to higher ones; the highest may empty it."""


@dataclass
class _Bucket:
    left: float
    at: datetime


class Buckets:
    """Token buckets: how many more alerts of each source may be recorded one by one.

    Only this process remembers them: after a restart every bucket is full, and a few more entries are written.
    """

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._buckets: dict[str, _Bucket] = {}

    def take(self, source: str, severity: str | None, now: datetime) -> bool:
        """Take one from the bucket of `source`. Return False if nothing is left for that severity."""
        limit = self._plan.storm.per_source
        bucket = self._buckets.setdefault(source, _Bucket(limit.times, now))
        passed = max(0.0, (now - bucket.at) / limit.within)
        bucket.left, bucket.at = min(limit.times, bucket.left + passed * limit.times), now
        if bucket.left < 1 + limit.times * _RESERVED * self._share(severity):
            return False
        bucket.left -= 1
        return True

    def _share(self, severity: str | None) -> float:
        """Return 0 for the highest severity up to 1 for the lowest, and 1 for an unknown one."""
        last = len(self._plan.severities) - 1
        rank = last if severity is None else min(self._plan.rank(severity), last)
        return rank / last if last else 0.0


class Umbrella:
    """The one incident that new alerts join during an alert storm."""

    def __init__(self, journal: Journal, plan: Plan) -> None:
        self._journal = journal
        self._plan = plan

    def active(self, now: datetime) -> str | None:
        """Return the id of the incident that new alerts join, or None if no alert has joined it recently."""
        found, _ = open_under(self._journal, _KEY, self._is_public)
        last = found.joined_at if found else None
        return found.id if found and last and now - last <= self._plan.storm.umbrella.within else None

    def open_if_due(self, now: datetime) -> None:
        """Open or reuse the umbrella if too many incidents were opened. Every open incident then joins the storm."""
        limit: Limit = self._plan.storm.umbrella
        rows = self._journal.incidents(since=now - limit.within)
        known, key = open_under(self._journal, _KEY, self._is_public)
        others = (row for row in rows if known is None or row.id != known.id)
        recent = list(filter(self._is_public, readable(self._journal, others)))
        if len(recent) < limit.times:
            return
        found, _ = self._journal.open_incident(
            self._plan.short,
            self._opening(recent),
            BY,
            key=key,
            outbox=[start_message("{incident}", "respond")],
        )
        rows = self._journal.incidents(open_only=True)
        for one in readable(self._journal, rows):
            if one.id == found or one.storm_umbrella is None:
                self._journal.append(one.id, [StormJoined(umbrella=found)], BY)

    def _is_public(self, incident: Incident) -> bool:
        return not is_private(self._plan, incident)

    def _opening(self, recent: list[Incident]) -> IncidentOpened:
        """Return the opening record. It follows the most severe incident, which most likely shows the common cause."""
        worst = min(recent, key=lambda one: (self._plan.rank(one.severity), one.opened_at))
        moments = [one.opened.began_at for one in recent if one.opened.began_at]
        return worst.opened.model_copy(
            update={
                "title": f"Alert storm: {len(recent)} incidents within {_minutes(self._plan.storm.umbrella)}",
                "severity": worst.severity,
                "incident_kind": worst.kind,
                "reported": "a storm of alerts",
                "began_at": min(moments) if moments else None,
                "manual": False,
                "umbrella": True,
            }
        )


def _minutes(limit: Limit) -> str:
    return f"{limit.within.total_seconds() / 60:g} min"


def count_collapsed(journal: Journal, incident: Incident, plan: Plan, now: datetime) -> None:
    """Record how many alerts were only counted for `incident`, if there are any and the last summary is old enough."""
    if incident.collapsed_at and now - incident.collapsed_at < plan.storm.summary_every:
        return
    count, last = journal.count_collapsed(incident.id, incident.collapsed_up_to)
    if count:
        journal.append(incident.id, [AlertsCollapsed(count=count, up_to=last)], BY, expect=incident.length)
