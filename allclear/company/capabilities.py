"""The actions and probes that a company's files may name: the part of the registry that checks and schemas use."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Protocol

from pydantic import BaseModel

from allclear.domain.action import Action
from allclear.domain.probe import Probe

ActionType = type[Action[Any, Any]]
ProbeType = type[Probe[Any]]


class AlertSourceType(Protocol):
    """A kind of alert source, as far as systems.yaml is concerned."""

    title: ClassVar[str]
    accepts_alert_token: ClassVar[bool]
    """Whether ALLCLEAR_ALERT_TOKEN is accepted too, so that it needs no secret of its own."""
    options: ClassVar[type[BaseModel]]
    """The options that a source may or must have beside `secret`."""


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

    @property
    def sources(self) -> Mapping[str, AlertSourceType]:
        """Return the alert sources by name."""
        ...
