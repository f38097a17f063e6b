"""Every simulated API over HTTP. To add one, write its module with an `API` and add a line here."""

from __future__ import annotations

from allclear.simulator.apis import (
    cloud_armor,
    cloud_logging,
    cloud_monitoring,
    convex,
    github,
    jira,
    own_system,
    pagerduty,
    pagerduty_rest,
    slack,
    statuspage,
    supabase,
    supabase_management,
    teams,
    twilio,
    vercel,
    website,
)
from allclear.simulator.apis.cloud_run import api as cloud_run
from allclear.simulator.apis.registration import SimulatedApi

APIS: tuple[SimulatedApi, ...] = (
    website.API,
    cloud_run.API,
    supabase.API,
    supabase_management.API,
    slack.API,
    teams.API,
    statuspage.API,
    pagerduty.API,
    pagerduty_rest.API,
    cloud_monitoring.API,
    cloud_logging.API,
    cloud_armor.API,
    vercel.API,
    convex.API,
    github.API,
    jira.API,
    twilio.API,
    own_system.API,
)
