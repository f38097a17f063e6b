"""Commands about alerts: list what was received, retry it, and try out the alert sources."""

from __future__ import annotations

import os
import time
from datetime import tzinfo
from typing import Annotated

import httpx
import typer

from allclear.bootstrap import Engine
from allclear.cli.root import READ, AsJson, app, print_heading, print_json, print_line, reading_engine, run
from allclear.company import find_company
from allclear.domain.base import utc_now
from allclear.domain.errors import NotFound
from allclear.domain.local_times import local, zone_name
from allclear.engine.alerts.explain import alert_text, decision_text
from allclear.responder.authentication import AlertAuthenticator, make_authenticator
from allclear.responder.deliveries import retry_delivery
from allclear.responder.routes.models import DeliveryView
from allclear.responder.routes.views import STATES, list_deliveries, show_delivery
from allclear.responder.send_sample import missing_configuration, send_sample
from allclear.responder.sources import SOURCES
from allclear.responder.sources.request import stored_request
from allclear.responder.sources.source import NoAlert
from allclear.settings import Settings, load_settings

alert = typer.Typer(help="List the alerts that were received, and try out the alert sources.", no_args_is_help=True)
app.add_typer(alert, name="alert", rich_help_panel=READ)

_TRY = "Try a sample: allclear alert send alertmanager firing."

_PATIENCE = 5.0
"""Seconds to wait for the responder's decision."""


def _authenticator(settings: Settings) -> AlertAuthenticator:
    company = find_company(settings.company)
    return make_authenticator(company, lambda variable: os.environ.get(variable, "").strip(), settings.alert_token)


@alert.command()
def samples(as_json: AsJson = False) -> None:
    """List the samples of each source, and the labels that a route of the plan can match."""
    authenticator = _authenticator(load_settings())
    rows = [
        {"source": source, "sample": name, "labels": _labels(authenticator, source, name)}
        for source in SOURCES
        for name in SOURCES[source].samples
    ]
    if as_json:
        print_json(rows)
        return
    for source in SOURCES:
        missing = missing_configuration(authenticator, source)
        print_line(f"{source}: {SOURCES[source].title}{f'  ({missing})' if missing else ''}")
        for name in SOURCES[source].samples:
            shown = ", ".join(f"{label}={value}" for label, value in _labels(authenticator, source, name).items())
            print_line(f"  {name:20} {shown or 'no alert'}")


@alert.command()
def send(
    source: Annotated[str, typer.Argument(help="A source, as grafana; `allclear alert samples` lists them.")],
    name: Annotated[str, typer.Argument(metavar="[SAMPLE]", help="A sample of the source.")] = "firing",
    as_json: AsJson = False,
) -> None:
    """Send a signed sample to ALLCLEAR_RESPONDER_URL, and show the responder's decision.

    It is handled like any other alert: if a route of the plan matches its labels, it opens an incident.
    """
    settings = load_settings()
    with httpx.Client(base_url=settings.responder_url, timeout=10) as http:
        sent = send_sample(_authenticator(settings), http, source, name, utc_now())
    if as_json:
        print_json({"id": sent.delivery, **(sent.decision or {})})
        return
    print_line(f"Sent: {source}, {name}, as {sent.delivery}.")
    if sent.decision is None:
        print_line("To see the responder's decision, set ALLCLEAR_ALERT_TOKEN as it is set for the responder.")
        return
    incident = f" ({sent.decision['incident']})" if sent.decision["incident"] else ""
    print_line(f"It is {sent.decision['state']}{incident}. {sent.decision['reason']}")
    if sent.decision["state"] == "ignored":
        print_line(route_hint(settings.company, _labels(_authenticator(settings), source, name)))


def route_hint(company: str, labels: dict[str, str]) -> str:
    """Return what a route has that takes an alert with these labels."""
    one = next((f"{label}: {value}" for label, value in labels.items()), "alertname: NAME")
    return (
        f"Such a route has `match: {{{one}}}`, in {company}/plan.yaml. "
        "Alerts of a company's own rules match the routes that it has."
    )


@alert.command("list")
def list_alerts(
    state: Annotated[str | None, typer.Option(help=f"Only alerts in this state: {', '.join(STATES)}.")] = None,
    source: Annotated[str | None, typer.Option(help="Only alerts of this source, as grafana.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=1000, help="How many, newest first.")] = 50,
    as_json: AsJson = False,
) -> None:
    """List the alerts that were received, and the decision on each."""
    if state is not None and state not in STATES:
        raise NotFound(f"There is no state {state!r}.", f"There are: {', '.join(STATES)}.")

    async def work() -> tuple[list[DeliveryView], tzinfo]:
        async with reading_engine() as engine:
            plan = engine.company.plan
            return list_deliveries(engine.journal, plan, state, source, limit), plan.zone

    rows, zone = run(work())
    if as_json:
        print_json([row.model_dump(mode="json") for row in rows])
        return
    if rows:
        _print_alerts(rows, zone)
    else:
        print_line("No such alert was received." if state or source else f"No alert was received yet. {_TRY}")


@alert.command()
def retry(
    delivery: Annotated[str, typer.Argument(metavar="ID", help="A delivery's id; `allclear alert list` shows it.")],
    as_json: AsJson = False,
) -> None:
    """Process a quarantined or ignored alert again: after an update, or after a change of the plan."""

    async def work() -> tuple[DeliveryView, tzinfo]:
        async with reading_engine() as engine:
            retry_delivery(engine.journal, delivery)
            return _wait_for(engine, delivery), engine.company.plan.zone

    row, zone = run(work())
    if as_json:
        print_json(row.model_dump(mode="json"))
        return
    _print_alerts([row], zone)
    if row.state == "new":
        print_line("The responder will process it. If it is not running, start it: allclear up.")


def _wait_for(engine: Engine, delivery: str) -> DeliveryView:
    """Return a delivery once the responder has processed it, or as it is after a few seconds."""
    end = time.monotonic() + _PATIENCE
    while (
        row := show_delivery(engine.journal, engine.company.plan, delivery)
    ).state == "new" and time.monotonic() < end:
        time.sleep(0.1)
    return row


def _print_alerts(rows: list[DeliveryView], zone: tzinfo) -> None:
    received = f"Received ({zone_name(zone, *(row.received_at for row in rows))})"
    print_heading(f"{received:16}  {'Source':12}  {'State':11}  ID, and the decision on each alert in it")
    for row in rows:
        count = f" ({row.count} times)" if row.count > 1 else ""
        print_line(f"{local(row.received_at, zone):%Y-%m-%d %H:%M}  {row.source:12}  {row.state:11}  {row.id}{count}")
        if not row.alerts and row.reason:
            print_line(f"    {row.reason}")
        if more := row.total_alerts - len(row.alerts):
            print_line(f"    ({more} before these: GET /alerts/{row.id} shows all)")
        for one in row.alerts:
            print_line(f"    {alert_text(one.status, one.severity, one.title)}")
            print_line(f"        {decision_text(one.decision, one.status, one.incident, one.reason)}")
            if one.ticket:
                print_line(f"        {one.incident}: {one.ticket}")


def _labels(authenticator: AlertAuthenticator, source: str, name: str) -> dict[str, str]:
    """Return the labels of a sample's first alert, as the company has configured the source."""
    kind, now = SOURCES[source], utc_now()
    sample = kind.samples[name](now)
    configured = authenticator.configured.get(source)
    request = stored_request(kind.stored_headers(sample), sample.body)
    result = kind.parse_configured(request, configured.options if configured else {})
    return {} if isinstance(result, NoAlert) else result[0].labels
