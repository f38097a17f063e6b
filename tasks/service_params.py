"""The parameters that actions and probes of several vendors share, and how they find a service's handle."""

from __future__ import annotations

from typing import TypeVar

from pydantic import Field

from allclear.domain.action import ActionContext, Params
from allclear.domain.errors import ConfigError
from allclear.domain.systems import Handle

H = TypeVar("H", bound=Handle)


class ServiceParams(Params):
    """Which service."""

    service: str = Field(description="The service's short name in systems.yaml.")


def handle_of(context: ActionContext, service: str, kind: type[H], next_step: str) -> H:
    """Return the service's handle of that kind. Raises NotFound, and ConfigError if systems.yaml gives it none."""
    handle = context.service(service).handle(kind)
    if handle is None:
        raise ConfigError(f"The service {service} has no `{kind.key}` in systems.yaml.", next_step)
    return handle
