"""Contacts of the plan that a way's action would refuse: a number without its country, a name that Teams does not know.

`allclear check` reports them with their line. They are found again where the plan is used, because a person who cannot
be mentioned would count as notified: before a notice or a test is sent, by `allclear doctor`, and at the start.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from allclear.company import Company
from allclear.company.checks.placeholders import texts
from allclear.domain.action import AnyAction
from allclear.domain.errors import ConfigError, Refused
from allclear.domain.placeholders import render_all, unknown_placeholders
from allclear.domain.plan import MessageAction, is_blank
from allclear.domain.systems import Service
from allclear.domain.text import plain
from allclear.engine.actions.registry import Registry, read_params

_TEXT = "This is a test of `{way}`. There is no incident, and nothing is to be done."


@dataclass(frozen=True)
class RefusedContact:
    """A person whom a way cannot reach, because its action refuses the contact."""

    way: str
    person: str
    kind: str
    """The kind of contact."""
    sentence: str
    next_step: str


def refusal_of(kind: type[AnyAction], params: Mapping[str, Any], services: Mapping[str, Service]) -> Refused | None:
    """Return why the action cannot send to `people` of its parameters; None if it can, or they are wrong otherwise."""
    if not params.get("people"):
        return None
    try:
        checked = read_params(kind, params)
    except ConfigError:
        return None  # the proposal itself says what is wrong with them
    problems = (one for one in kind.check_params(checked, services) if one.param == "people")
    return next((Refused(one.sentence, one.next_step) for one in problems), None)


def refused_contacts(company: Company, registry: Registry) -> Iterator[RefusedContact]:
    """Yield each contact that the plan's ways would refuse, way by way; a blank is none."""
    for way, call in company.plan.ways.items():
        kind = registry.actions.get(call.action)
        if kind is None or kind.reaches is None:
            continue
        for person in company.plan.people:
            contact = person.contacts.get(kind.reaches)
            if contact is None or is_blank(contact.address) or not person.known:
                continue
            params = sample_params(call, way, person.name, contact.address)
            try:
                read_params(kind, params)
                refused = refusal_of(kind, params, company.systems.services)
            except ConfigError as error:
                refused = Refused(error.message, "Correct it in plan.yaml.") if "people" in error.message else None
            if refused:
                yield RefusedContact(way, person.name, kind.reaches, refused.message, refused.next_step)


def sample_params(
    call: MessageAction,
    way: str,
    person: str,
    address: str,
    number: str = "1",
    marks: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """Return the parameters of a way's action for a test; `marks` begin its texts, by the parameters' names."""
    named = {name for _, text in texts(call.with_) for name in unknown_placeholders(text, {})}
    values = dict.fromkeys(named, "") | {
        "incident": "TEST",
        "number": number,
        "audience": "",
        "name": plain(person, 60),
        "notice": _TEXT.format(way=way),
    }
    params: dict[str, Any] = render_all(call.with_, values)
    params |= {
        name: f"{mark} {str(params[name]).strip(' :')}" for name, mark in (marks or {}).items() if name in params
    }
    return params | ({"people": [address]} if address else {})
