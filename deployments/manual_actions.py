"""The forms of the actions that a person on call may start by hand."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from allclear.company import Company
from allclear.domain.base import JsonDict
from allclear.engine.actions.offered import offered_actions
from allclear.engine.actions.registry import ActionType, Registry
from deployments.forms import params_form


@dataclass(frozen=True)
class ManualAction:
    """An action that works for this company, and the form of its parameters."""

    action: ActionType
    form: JsonDict

    @property
    def title(self) -> str:
        """Return what the action does, without the characters that Prefect refuses in a name."""
        return "".join("-" if character in "/%&<>" else character for character in self.action.title)


def manual_actions(company: Company, registry: Registry) -> Iterator[ManualAction]:
    """Yield the actions that a person may start by hand and that at least one service of the company can run."""
    services = company.systems.services
    for action in offered_actions(company, registry):
        offered = {name: action.offers(name, services) for name in action.params.model_fields}
        choices = {name: values for name, values in offered.items() if values}
        yield ManualAction(action, params_form(action.params, choices))
