"""The systems a company runs on, as its `systems.yaml` describes them."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterable
from dataclasses import dataclass
from types import GenericAlias
from typing import Any, ClassVar, Protocol, TypeVar, cast

from pydantic import ConfigDict, Field, SecretStr, create_model, field_validator

from allclear.domain.base import JsonBody, Model, Slug
from allclear.domain.durations import Duration
from allclear.domain.errors import ConfigError


class System(Model):
    """One outside system: its address, and the environment variable that holds its secret.

    Its other fields (a project, a page, a channel) are options, which the vendor's client declares.
    """

    model_config = ConfigDict(extra="allow", frozen=True)

    endpoint: str = Field(description="The address, as https://host or host:port for gRPC.")
    secret: str | None = Field(default=None, description="The environment variable that holds the secret.")
    secrets: dict[Slug, str] = Field(
        default={}, description="Further secrets by their names: the environment variables that hold them."
    )

    @property
    def variables(self) -> list[str]:
        """Return the environment variables of all its secrets."""
        return [*([self.secret] if self.secret else []), *self.secrets.values()]

    @property
    def options(self) -> dict[str, Any]:
        """Return the fields beside `endpoint` and the secrets."""
        return dict(self.model_extra or {})


class Access(Model):
    """A system as a client connects to it, with its secret, which is never printed."""

    name: str
    endpoint: str = Field(repr=False)
    """Not printed either, because some people write a key into it."""
    secret: SecretStr | None = None
    more: dict[str, SecretStr] = {}
    """The further secrets by their names."""
    options: dict[str, Any] = {}
    simulated: bool = False


class SmokePath(Model):
    """One request of a smoke test."""

    path: str = Field(description="The path, as /checkout.")
    method: str = Field(default="GET", description="The HTTP method.")
    json_body: JsonBody | None = Field(default=None, alias="json", description="The JSON body, if any.")


class Smoke(Model):
    """The smoke test of a service: its requests, and the limits within which they pass."""

    requests: int = Field(default=20, ge=1, le=500, description="How many requests are sent in total.")
    paths: list[SmokePath] = Field(default=[SmokePath(path="/")], description="The requests, sent in turn.")
    error_rate: float = Field(default=0.01, ge=0, le=1, description="The largest share of failed requests that passes.")
    p95: Duration | None = Field(default=None, description="The slowest 95th percentile that passes.")
    timeout: Duration = Field(description="How long one request may take.")


class Handle(Protocol):
    """What a vendor's actions need to find a service: a pydantic model, declared in the vendor's module.

    A service in systems.yaml carries it under `key`. Actions and probes name it in `handles`, which makes it known.
    """

    key: ClassVar[str]


H = TypeVar("H", bound=Handle)


@dataclass(frozen=True)
class Misfit:
    """A value in systems.yaml that does not fit another part of it.

    `allclear check` reports what `misfits` yields: of a client's class for its system, and of a handle for the systems.
    """

    place: tuple[str | int, ...]
    """Where it stands, inside the system or the handle."""
    sentence: str
    next_step: str


class Service(Model):
    """A service that users reach. Its handles are the fields that `systems_model` adds."""

    title: str = Field(description="What people call it.")
    url: str = Field(description="The address at which users reach it.")
    health: str = Field(default="/healthz", description="The path of its health check.")
    smoke: Smoke = Field(description="How it is tested from outside.")
    status_components: list[str] = Field(
        default=[],
        description="Its components on the status page, by name or id: they go down and up with an incident.",
    )

    def handle(self, kind: type[H]) -> H | None:
        """Return the service's handle of that kind, or None if systems.yaml gives it none."""
        value = getattr(self, kind.key, None)
        return value if isinstance(value, kind) else None


_VARIABLE = re.compile(r"[A-Z][A-Z0-9_]*")


class AlertSource(Model):
    """How one monitoring system authenticates itself. Alerts of a source that is not configured are rejected.

    Other fields, as a user name, are options of the source, which the installed source declares.
    """

    model_config = ConfigDict(extra="allow", frozen=True)

    secret: str | list[str] = Field(
        description="The environment variable with the secret; a list while one replaces another."
    )

    @property
    def options(self) -> dict[str, Any]:
        """Return the fields beside `secret`."""
        return dict(self.model_extra or {})

    @property
    def variables(self) -> list[str]:
        """Return the environment variables, the newest secret's first."""
        return [self.secret] if isinstance(self.secret, str) else self.secret

    @field_validator("secret", mode="before")
    @classmethod
    def _names(cls, value: object) -> object:
        """Refuse a value that is not a variable's name, without repeating it: it may be the secret itself."""
        names = cast("list[object]", value if isinstance(value, list) else [value])
        if not names or not all(isinstance(name, str) and _VARIABLE.fullmatch(name) for name in names):
            msg = "it must be an environment variable's name in capitals, or a list of them; never the secret itself"
            raise ValueError(msg)
        return cast("object", value)


class Systems(Model):
    """A company's `systems.yaml`."""

    systems: dict[Slug, System] = Field(description="The outside systems, by the names that actions use.")
    services: dict[Slug, Service] = Field(description="The services that users reach, by short name.")
    alerts: dict[str, AlertSource] = Field(default={}, description="Who may send alerts, and with which secret.")


def systems_model(handles: Iterable[type[Handle]]) -> type[Systems]:
    """Return the model of a systems.yaml whose services may carry these handles.

    Raises ConfigError for a key that is declared twice.
    """
    fields: dict[str, Any] = {}
    for handle in handles:
        if handle.key in fields or handle.key in Service.model_fields:
            raise ConfigError(f"The handle `{handle.key}` is declared twice.", "Uninstall one of the packages.")
        about = inspect.getdoc(handle) or ""
        fields[handle.key] = (handle | None, Field(default=None, description=about.partition("\n")[0]))
    service = create_model("Service", __base__=Service, __doc__=Service.__doc__, **fields)
    services: Any = (GenericAlias(dict, (Slug, service)), Systems.model_fields["services"])
    return create_model("Systems", __base__=Systems, __doc__=Systems.__doc__, services=services)
