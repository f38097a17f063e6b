"""The actions that a person may start by hand: which of them a company's services can run.

An action is offered if it changes what users get. Actions that page, send messages or write on the status page belong
to an incident's response and are not offered; actions that undo another one are, because a person may have to end
maintenance or give the traffic back without the incident that began it.
"""

from __future__ import annotations

from collections.abc import Iterator

from allclear.company import Company
from allclear.engine.actions.registry import ActionType, Registry


def may_start_manually(action: ActionType) -> bool:
    """Return whether a person may start an action in a form: it needs an approval, and neither pages nor speaks."""
    return action.approval is not None and not action.pages and not action.text_params


def offered_actions(company: Company, registry: Registry) -> Iterator[ActionType]:
    """Yield the actions that a person may start by hand and that at least one service of the company can run."""
    systems = company.systems
    for action in registry.actions.values():
        connected = [
            name
            for name in action.offers("service", systems.services) or ()
            if all(one.system in systems.systems for one in action.needs_for({"service": name}, systems.services))
        ]
        if may_start_manually(action) and connected:
            yield action
