"""Preflights: read-only tests of the outside systems, made before an incident needs them.

A vendor's actions and probes declare the preflight of their client, as they declare their handles. `allclear doctor`,
`allclear up` and the responder run those of the systems that the company's plan uses.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

if TYPE_CHECKING:
    from allclear.domain.action import ActionContext, Client
    from allclear.domain.systems import Service


@dataclass(frozen=True)
class PlannedUse:
    """An action or probe that the company's plan names, and its parameters as they are written there."""

    name: str
    params: Mapping[str, Any]
    writes: bool
    """Whether it is an action; a probe only reads."""


@dataclass(frozen=True)
class Passed:
    """A check that succeeded: what was seen, in one sentence."""

    sentence: str


@dataclass(frozen=True)
class Unproven:
    """What reading cannot show: one sentence, and how a person finds out."""

    sentence: str
    next_step: str


@dataclass(frozen=True)
class PreflightCheck:
    """One check of a system: what is tested, and how.

    `run` changes nothing. It raises AllclearError if the system, the permission or the target is missing.
    """

    target: str
    run: Callable[[], Awaitable[Passed | Unproven]]


class Preflight(ABC):
    """The read-only test of one outside system."""

    client: ClassVar[type[Client]]
    """The client whose system is tested."""

    def __init__(self, context: ActionContext) -> None:
        self.context = context

    @abstractmethod
    def checks(self, services: Mapping[str, Service], uses: list[PlannedUse]) -> Iterator[PreflightCheck]:
        """Yield what is to be tested for these services, and for what the plan does with the system.

        Raises MissingSecret or ConfigError if no client can be made.
        """
