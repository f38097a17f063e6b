"""The context of actions and probes, with the services and clients that a test gives it."""

# ruff: noqa: ANN401 - fields that are passed on to a model

from __future__ import annotations

from datetime import UTC, datetime, tzinfo
from typing import Any, TypeVar

from allclear.company.handles import installed_systems_model
from allclear.domain.action import Client
from allclear.domain.base import Clock, JsonDict, utc_now
from allclear.domain.baseline import Baseline, Containing, OwnRecord
from allclear.domain.errors import ConfigError, NotFound
from allclear.domain.links import Links, NoLinks
from allclear.domain.systems import Service, Smoke

C = TypeVar("C", bound=Client)


def service_of(**fields: Any) -> Service:
    """Return a service as a systems.yaml with these fields describes it."""
    systems = installed_systems_model().model_validate({"systems": {}, "services": {"shop": fields}})
    return systems.services["shop"]


def a_service(**more: Any) -> Service:
    """Return a service with the required fields, and `more`."""
    fields: dict[str, Any] = {
        "title": "Shop",
        "url": "http://shop.test",
        "cloud_run": "shop",
        "smoke": Smoke.model_validate({"requests": 4, "timeout": "1s"}),
    }
    return service_of(**(fields | more))


class FakeRecord:
    """The journal's record as actions read it: the baselines and the onset that a test gives it, otherwise none."""

    def __init__(self, *baselines: Baseline, onset: datetime | None = None) -> None:
        self._baselines = baselines
        self._onset = onset
        self.states: dict[str, JsonDict] = {}
        """Resource -> the state that was seen last."""
        self.unanswered: set[str] = set()
        """The resources whose newest write got no answer."""
        self.requested: set[str] = set()
        """The requests that were carried out."""
        self.contained_by: list[Containing] = []
        """The changes that contained an incident, the newest first."""

    def may_be_sent(self, resource: str) -> bool:
        """Return whether the newest write got no answer."""
        return resource in self.unanswered

    def was_requested(self, request: str) -> bool:
        """Return whether a test has named the request."""
        return request in self.requested

    def containing(self, resource: str) -> list[Containing]:  # noqa: ARG002 - the port
        """Return the changes that contained an incident."""
        return self.contained_by

    def baselines(self, resource: str, before: datetime) -> list[Baseline]:
        """Return the baselines of `resource` up to `before`, the newest first."""
        found = [one for one in self._baselines if one.resource == resource and one.at <= before]
        return sorted(found, key=lambda one: one.at, reverse=True)

    def onset(self, service: str) -> datetime | None:  # noqa: ARG002 - the port
        """Return when the incident began."""
        return self._onset

    def last_trouble(self, service: str) -> tuple[datetime, datetime | None] | None:  # noqa: ARG002 - the port
        """Return since when users are affected."""
        return (self._onset, None) if self._onset else None

    def last_state(self, resource: str, field: str) -> JsonDict | None:
        """Return the state that was seen last, if it has the field."""
        state = self.states.get(resource)
        return state if state and state.get(field) else None


class FakeContext:
    """A context with one service, `shop`, and the clients that a test gives it."""

    def __init__(self, *clients: Client, **service: Any) -> None:
        self._clients = {type(client): client for client in clients}
        self._service = a_service(**service)
        self.record: OwnRecord = FakeRecord()
        self.links: Links = NoLinks()
        self.clock: Clock = utc_now
        self.zone: tzinfo = UTC

    def service(self, name: str) -> Service:
        """Return the service; raises NotFound."""
        if name != "shop":
            raise NotFound(f"There is no service {name}.", "There is: shop.")
        return self._service

    def client(self, vendor: type[C]) -> C:
        """Return the client of that vendor; raises ConfigError."""
        if vendor not in self._clients:
            raise ConfigError(f"systems.yaml has no `{vendor.system}`.", "Add it.")
        found: Any = self._clients[vendor]
        return found
