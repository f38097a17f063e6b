"""A complete folder of a small company, and a registry of actions and probes that do nothing."""

from __future__ import annotations

from abc import ABC
from pathlib import Path
from typing import Annotated, Any, ClassVar

from pydantic import Field, StringConstraints

from allclear.company.diagnostics import Diagnostic
from allclear.domain.action import Action, Params, State
from allclear.domain.approval import ONE_PERSON, SPEAKERS
from allclear.domain.base import Model
from allclear.domain.probe import Probe
from allclear.engine.actions.registry import Registry
from tasks.cloud_run.location import check_region
from tasks.feature_flags import DisableFlag

PLAN = """\
company: Acme
short: AC
severities:
  - name: P0
    title: Critical
    definition: All down
roles:
  on_call: {title: On-Call}
  communications_lead: {title: Speaker}
people:
  - name: Ana
    roles: [on_call, communications_lead]
    contacts:
      phone: "+1 555 0100"
phases:
  detect: {label: Detection}
  contain: {label: Containment}
  investigate: {label: Investigation}
  resolve: {label: Resolution}
  review: {label: Review}
routes:
  - name: payments
    match: {alertname: PaymentsFail}
    service: shop
    severity: P0
    runbook: outage
    impact: Payments fail
templates: {internal-alert: templates/internal-alert.txt}
approvals:
  traffic.move: {roles: [on_call]}
post_mortem:
  template: templates/post-mortem.md
  due: 48h
support:
  - name: Host
    contact: help@host.example
working_time: {zone: Europe/Berlin}
escalation_policies:
  - levels: [{after: 5m, roles: everyone}]
reminders:
  message: {action: chat.post, with: {key: "{number}", text: "{reminder} For {for}."}}
"""

SYSTEMS = """\
systems:
  chat:
    endpoint: https://chat.example.com
    secret: CHAT_TOKEN
    channel: "#incidents"
services:
  shop:
    title: The shop
    url: https://shop.example.com
    flags: [checkout]
    smoke:
      timeout: 2s
"""

RUNBOOK = """\
name: outage
title: Outage
about: All is down.
service: shop
health:
  probe: http.smoke
  with: {service: "{service}"}
detect:
  - id: tell
    action: chat.post
    with:
      text: "{t_internal_alert}"
contain:
  - id: move
    action: traffic.move
    with: {service: shop, percent: 10}
    measure: true
    owner: on_call
  - id: off
    action: flag.disable
    with:
      flag: checkout
resolve:
  - id: fix
    person: on_call
    ask: Fix {incident}.
    severities: [P0]
"""

ALERT = "[{severity}] {company}\n{updates}\n"

FILES = {
    "plan.yaml": PLAN,
    "systems.yaml": SYSTEMS,
    "runbooks/outage.yaml": RUNBOOK,
    "templates/internal-alert.txt": ALERT,
    "templates/post-mortem.md": "# {title}\n\n{timeline}\n",
}

Edit = tuple[str, str, str]
"""A file, a text in it, and the text that replaces it."""


def company_folder(root: Path, *edits: Edit, name: str = "acme") -> Path:
    """Return the folder of the small company, changed by `edits`; each must find its text exactly once."""
    folder = root / name
    texts = dict(FILES)
    for file, old, new in edits:
        assert texts[file].count(old) == 1, (file, old)
        texts[file] = texts[file].replace(old, new)
    for file, text in texts.items():
        path = folder / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return folder


def in_one_line(diagnostic: Diagnostic, folder: Path) -> str:
    """Return a diagnostic in one line."""
    return f"{diagnostic.level} {str(diagnostic).removeprefix(str(folder) + '/')} {diagnostic.next_step}"


class ChatOptions(Model):
    """The options of the chat's client."""

    channel: str


def client(name: str, known: type[Model] | None = None) -> type[Any]:
    """Return a client's class with its name in systems.yaml and the model of its options."""
    return type(name, (), {"system": name, **({"options": known} if known else {})})


class ActionParams(Params):
    """The parameters of all actions of these tests."""

    service: str | None = None
    region: str | None = None
    percent: int = Field(default=0, le=100)
    flag: str | None = None
    text: str = ""


class Text(Params):
    """The parameters of a message."""

    text: str
    key: str = ""
    urgency: int = 1


class Mail(Text):
    """The parameters of a message to people."""

    people: list[Annotated[str, StringConstraints(pattern=r"^\+[0-9 ]+$")]] = []


class ServiceParams(Params):
    """The parameters of a probe of a service."""

    service: str


def action(
    name: str,
    params: type[Params],
    needs: tuple[type[Any], ...] = (),
    **more: Any,  # noqa: ANN401 - class attributes
) -> type[Action[Any, Any]]:
    """Return an action's class as a check reads it. It is never instantiated, so it needs no methods."""
    return type(
        name, (Action,), {"name": name, "title": name, "params": params, "state": State, "needs": needs, **more}
    )


class Smoke(Probe[ServiceParams], ABC):
    """A probe that never runs."""

    name: ClassVar[str] = "http.smoke"
    title: ClassVar[str] = "Smoke test"
    params: ClassVar[type[Params]] = ServiceParams


CHAT = client("chat", ChatOptions)

KINDS = Registry.of(
    [
        action("chat.post", Text, (CHAT,), approval=None, text_params=("text",)),
        action("mail.send", Mail, (CHAT,), approval=None, text_params=("text",), reaches="phone"),
        action("pager.ring", Text, (CHAT,), approval=None, text_params=("text",), pages=True),
        action("traffic.move", ActionParams, approval=ONE_PERSON, check_params=staticmethod(check_region)),
        action("flag.disable", ActionParams, approval=ONE_PERSON, check_params=staticmethod(DisableFlag.check_params)),
        action("page.open", Text, approval=SPEAKERS, announces=True, text_params=("text",)),
        action("page.update", Text, approval=SPEAKERS, text_params=("text",)),
        action("public.tell", Text, approval=SPEAKERS, public=True),
        Smoke,
    ]
)
"""The actions and probes of these tests."""
