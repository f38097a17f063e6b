"""The actions that a person on call may start by hand: which of them a company's services can run.

An action is offered if it changes what users get. Actions that page, send messages or write on the status page belong
to an incident's response and are not offered; actions that undo another one are, because a person may have to end
maintenance or give the traffic back without the incident that began it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from allclear.company import Company
from allclear.domain.base import JsonDict
from allclear.domain.systems import Service
from allclear.engine.actions.manual import may_start_manually
from allclear.engine.actions.registry import ActionType, Registry
from deployments.forms import Choices, params_form


@dataclass(frozen=True)
class ManualAction:
    """An action that works for this company, and the form of its parameters."""

    action: ActionType
    form: JsonDict

    @property
    def title(self) -> str:
        """Return what the action does, without the characters that Prefect refuses in a name."""
        return "".join("-" if character in "/%&<>" else character for character in self.action.title)


def manual_actions(company: Company, registry: Registry, choices: Choices) -> Iterator[ManualAction]:
    """Yield the actions that a person may start by hand and that at least one service of the company can run."""
    for action in registry.actions.values():
        if not may_start_manually(action):
            continue
        if any(client.system not in company.systems.systems for client in action.needs):
            continue
        able = [name for name, service in company.systems.services.items() if _has_handles(service, action)]
        form = params_form(action.params, {**choices, "service": able})
        if able and all(choices.get(name, True) for name in form["required"]):
            yield ManualAction(action, form)


def _has_handles(service: Service, action: ActionType) -> bool:
    """Return whether systems.yaml gives the service all handles that the action needs."""
    return all(service.handle(kind) is not None for kind in action.handles)
