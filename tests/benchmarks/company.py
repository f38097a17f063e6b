"""The benchmark's company: one service for each round, and a route to it. Its windows are as short as a plan may say.

What a service's name begins with says how its trouble is contained:

    a-0001   the plan lets the rollback act by itself, after two probes 10 s apart and a veto window of 10 s
    k-0001   one person approves the rollback
    r-0001   runs in four regions: four rollbacks, each approved
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from tests.benchmarks.production import PROJECT

REGIONS = ("us-central1", "us-east1", "europe-west1", "asia-east1")
POLICY_WAITS = 20.0
"""Seconds that the plan itself waits before anything acts by itself: 10 between the probes, 10 of veto."""

_PLAN = """\
company: Benchmark
short: BM
severities:
  - {name: SEV1, title: Critical, definition: Nobody can use it., targets: [{name: respond, within: 5m}]}
roles:
  on_call: {title: On-call engineer}
people:
  - {name: Ana Approver, roles: [on_call]}
phases:
  detect: {label: Detect}
  contain: {label: Contain}
  investigate: {label: Investigate}
  resolve: {label: Resolve}
  review: {label: Review}
post_mortem: {template: post-mortem.md, due: 5 business days}
storm: {enabled: false}  # each alert opens an incident of its own
routes:
"""

_SYSTEMS = f"""\
systems:
  cloud_run: {{endpoint: "127.0.0.1:1", project: {PROJECT}, region: {REGIONS[0]}}}
  cloud_monitoring: {{endpoint: "http://127.0.0.1:1"}}
  cloud_logging: {{endpoint: "http://127.0.0.1:1"}}
  pagerduty: {{endpoint: "http://127.0.0.1:1", secret: PAGERDUTY_ROUTING_KEY}}
services:
"""

_BEGINNING = """\
name: {name}
title: Bad deployment
about: The newest revision fails.
service: {service}
health: {{probe: http.smoke, with: {{service: "{{service}}"}}}}
detect:
  - {{id: verify, title: Look, probe: http.smoke, with: {{service: "{{service}}"}}, expects: trouble}}
  - id: page
    title: Page
    action: pagerduty.page
    with: {{incident: "{{incident}}", summary: "{{service}} is failing"}}
contain:
"""

_ONE = """\
  - id: roll-back
    title: Roll back
    action: cloud_run.rollback_traffic
    with: {service: "{service}", to: previous}
    measure: true
"""

_OF_REGION = """\
  - id: roll-back-{region}
    title: Roll back in {region}
    action: cloud_run.rollback_traffic
    with: {{service: "{{service}}", to: previous, region: {region}}}
    meanwhile: true
"""

_TEMPLATE = (
    "# {incident}: {title}\n\n{severity}, {duration}\n\n{timeline}\n\n{acts}\n\n{measured_impact}\n\n{in_place}\n"
)


def write_company(folder: Path, services: Iterable[str]) -> Path:
    """Write a company of these services into `folder` and returns it."""
    names = list(services)
    plan, systems = _PLAN, _SYSTEMS
    kinds = {name[0]: name for name in names}
    for name in names:
        plan += (
            f"  - {{name: {name}, match: {{service: {name}}}, service: {name}, severity: SEV1, runbook: {name[0]}}}\n"
        )
        places = "{" + ", ".join(f"{region}: {name}" for region in REGIONS) + "}" if name[0] == "r" else name
        systems += (
            f"  {name}: {{title: {name}, url: 'http://127.0.0.1:1', cloud_run: {places},"
            " smoke: {requests: 5, timeout: 5s}}\n"
        )
    runbooks = folder / "runbooks"
    runbooks.mkdir(parents=True)
    (folder / "plan.yaml").write_text(plan)
    (folder / "systems.yaml").write_text(systems)
    (folder / "post-mortem.md").write_text(_TEMPLATE)
    contain = {
        "a": _ONE + "    auto_approve: {veto_window: 10s}\n",
        "k": _ONE,
        "r": "".join(_OF_REGION.format(region=region) for region in REGIONS),
    }
    for kind, service in kinds.items():
        text = _BEGINNING.format(name=kind, service=service) + contain[kind]
        (runbooks / f"{kind}.yaml").write_text(text)
    return folder


def names(kind: str, first: int, count: int) -> list[str]:
    """Return the names of `count` services of a kind, as `a-0001`."""
    return [f"{kind}-{number:04}" for number in range(first, first + count)]
