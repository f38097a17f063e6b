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
from allclear.simulator.faults import objection
from allclear.simulator.mail_server import FAULTS as MAIL_FAULTS
from allclear.simulator.mail_server import NAME as MAIL
from allclear.simulator.scenario import Production

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

FAULT_POINTS = {api.name: api.faults for api in APIS} | {MAIL: MAIL_FAULTS}
"""Vendor -> its calls that can fail."""


def impossible_faults(scenario: Production) -> list[tuple[int, str]]:
    """Return the faults of a scenario that no call can meet: the place of each, and why."""
    found = ((place, objection(fault, FAULT_POINTS)) for place, fault in enumerate(scenario.faults))
    return [(place, why) for place, why in found if why]
