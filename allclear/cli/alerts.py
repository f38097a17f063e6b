"""Trying out the sources of alerts."""

from __future__ import annotations

import os
from typing import Annotated

import httpx
import typer

from allclear.cli.root import AsJson, app, say, say_json
from allclear.company import find_company
from allclear.domain.base import utc_now
from allclear.responder.gate import Gate, make_gate
from allclear.responder.samples import SAMPLES, sample, signed
from allclear.responder.sending import send as send_sample
from allclear.responder.sources import SOURCES
from allclear.responder.sources.proof import Keys
from allclear.responder.sources.request import kept
from allclear.responder.sources.source import Nothing
from allclear.settings import Settings, load_settings

alert = typer.Typer(help="Try out the sources of alerts.", no_args_is_help=True)
app.add_typer(alert, name="alert")


def _gate(settings: Settings) -> Gate:
    company = find_company(settings.company)
    return make_gate(company, lambda variable: os.environ.get(variable, "").strip(), settings.alert_token)


@alert.command()
def samples(as_json: AsJson = False) -> None:
    """List the samples of each source, and the labels that a route of the plan can look at."""
    rows = [{"source": source, "sample": name, "labels": _labels(source, name)}
            for source, names in SAMPLES.items() for name in names]  # fmt: skip
    if as_json:
        say_json(rows)
        return
    gate = _gate(load_settings())
    for source, names in SAMPLES.items():
        ready = "" if gate.keys(source) else "  (not configured)"
        say(f"{source}: {SOURCES[source].title}{ready}")
        for name in names:
            shown = ", ".join(f"{label}={value}" for label, value in _labels(source, name).items())
            say(f"  {name:20} {shown or 'no alert'}")


@alert.command()
def send(
    source: Annotated[str, typer.Argument(help="As grafana; `allclear alert samples` lists them.")],
    name: Annotated[str, typer.Argument(metavar="[SAMPLE]", help="Which one.")] = "firing",
    as_json: AsJson = False,
) -> None:
    """Send a signed sample to ALLCLEAR_RESPONDER_URL, and say what became of it.

    It is taken like any other alert: where a route of the plan fits its labels, it opens an incident.
    """
    settings = load_settings()
    with httpx.Client(base_url=settings.responder_url, timeout=10) as http:
        sent = send_sample(_gate(settings), http, source, name, utc_now())
    if as_json:
        say_json({"id": sent.delivery, **(sent.became or {})})
        return
    say(f"Sent: {source}, {name}, as {sent.delivery}.")
    if sent.became is None:
        say("Set ALLCLEAR_ALERT_TOKEN to be told what became of it.")
        return
    incident = f" ({sent.became['incident']})" if sent.became["incident"] else ""
    say(f"It is {sent.became['state']}{incident}. {sent.became['why']}")


def _labels(source: str, name: str) -> dict[str, str]:
    """Returns the labels of what a sample reads as."""
    made = signed(sample(source, name, utc_now()), Keys(("sample",), "sample"), utc_now())
    reading = SOURCES[source].parse(kept(SOURCES[source].kept_headers(made), made.body))
    return {} if isinstance(reading, Nothing) else reading[0].labels
