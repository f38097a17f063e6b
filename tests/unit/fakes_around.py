"""Surroundings for actions and probes: services and clients that a test hands in."""

# ruff: noqa: ANN401 - what is handed on to a model

from __future__ import annotations

from typing import Any, TypeVar

from allclear.domain.action import Client
from allclear.domain.errors import NotFound
from allclear.domain.systems import Service, Smoke

C = TypeVar("C", bound=Client)


def a_service(**more: Any) -> Service:
    """Returns a service with what every service needs."""
    fields: dict[str, Any] = {
        "title": "Shop",
        "url": "http://shop.test",
        "cloud_run": "shop",
        "smoke": Smoke.model_validate({"requests": 4, "timeout": "1s"}),
    }
    return Service(**(fields | more))


class FakeAround:
    """Surroundings with one service, `shop`, and the clients that were handed in."""

    def __init__(self, *clients: Client, **service: Any) -> None:
        self._clients = {type(client): client for client in clients}
        self._service = a_service(**service)

    def service(self, name: str) -> Service:
        """Returns the service; raises NotFound."""
        if name != "shop":
            raise NotFound(f"There is no service {name}.", "There is: shop.")
        return self._service

    def client(self, vendor: type[C]) -> C:
        """Returns the client of that vendor."""
        found: Any = self._clients[vendor]
        return found
