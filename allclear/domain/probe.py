"""A probe: it reads the world, changes nothing, and returns a finding with a verdict."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from typing import ClassVar, Generic

from allclear.domain.action import ActionContext, Client, Finding, P, ParamProblem, Params
from allclear.domain.permission import Permission
from allclear.domain.preflight import Preflight
from allclear.domain.systems import Handle, Service


class Probe(ABC, Generic[P]):
    """One way to check production without changing it."""

    name: ClassVar[str]
    title: ClassVar[str]
    params: ClassVar[type[Params]]
    needs: ClassVar[tuple[type[Client], ...]] = ()
    uses: ClassVar[tuple[type[Client], ...]] = ()
    handles: ClassVar[tuple[type[Handle], ...]] = ()
    preflights: ClassVar[tuple[type[Preflight], ...]] = ()
    permissions: ClassVar[tuple[Permission, ...]] = ()
    """What its keys must be allowed, for each system of `needs` and `uses`."""
    reports_serving: ClassVar[bool] = False
    """Whether its fact `serving_all` names the revisions that serve all users of the `service` in its parameters."""

    def __init__(self, context: ActionContext) -> None:
        self.context = context

    @classmethod
    def check_params(cls, params: P, services: Mapping[str, Service]) -> Iterable[ParamProblem]:  # noqa: ARG003 - the port
        """Return why `params` do not fit the company's services. Reads nothing: `allclear check` calls it."""
        return ()

    @classmethod
    def subject(cls, params: P, services: Mapping[str, Service]) -> str:  # noqa: ARG003 - the port
        """Return what the probe checks, for people who wait for its result, as `20 requests to shop (GET /checkout)`.

        Default: its title.
        """
        return cls.title

    @abstractmethod
    async def check(self, params: P) -> Finding:
        """Return what was observed. An unreachable system is a finding, not an error."""
