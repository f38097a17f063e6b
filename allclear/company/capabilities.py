"""The actions and probes that a company's files may name: the part of the registry that checks and schemas use."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from allclear.domain.action import Action, Probe

ActionType = type[Action[Any, Any]]
ProbeType = type[Probe[Any]]


class Capabilities(Protocol):
    """The installed actions and probes."""

    @property
    def actions(self) -> Mapping[str, ActionType]:
        """Return the actions by name."""
        ...

    @property
    def probes(self) -> Mapping[str, ProbeType]:
        """Return the probes by name."""
        ...
