"""How each monitoring system sends its alerts: one small file for each source.

`request` is what comes over the wire, `proof` how it proves who sent it, `source` what every source can do, `shape`
the types that take what vendors really send.
"""

from __future__ import annotations

from allclear.responder.sources.alertmanager import Alertmanager
from allclear.responder.sources.better_stack import BetterStack
from allclear.responder.sources.cloud_events import CloudEvents
from allclear.responder.sources.datadog import Datadog
from allclear.responder.sources.github import GitHub
from allclear.responder.sources.google_monitoring import GoogleMonitoring
from allclear.responder.sources.grafana import Grafana
from allclear.responder.sources.json_alert import JsonSource
from allclear.responder.sources.pagerduty import PagerDuty
from allclear.responder.sources.pingdom import Pingdom
from allclear.responder.sources.sentry import Sentry
from allclear.responder.sources.source import Source
from allclear.responder.sources.status_cake import StatusCake
from allclear.responder.sources.supabase import Supabase
from allclear.responder.sources.uptime_robot import UptimeRobot
from allclear.responder.sources.vercel import Vercel

_EVERY: tuple[Source, ...] = (
    JsonSource(),
    Alertmanager(),
    Grafana(),
    Sentry(),
    PagerDuty(),
    GoogleMonitoring(),
    BetterStack(),
    UptimeRobot(),
    StatusCake(),
    Pingdom(),
    Datadog(),
    Supabase(),
    Vercel(),
    GitHub(),
    CloudEvents(),
)

SOURCES: dict[str, Source] = {source.name: source for source in _EVERY}
"""By the name that stands in the address: `POST /alerts/{name}`."""
