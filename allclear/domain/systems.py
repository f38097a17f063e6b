"""The systems a company runs on, as its `systems.yaml` describes them."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal, NamedTuple, cast

from pydantic import ConfigDict, Field, SecretStr, field_validator, model_validator

from allclear.domain.base import Model, Slug
from allclear.domain.durations import Duration

_REGION = r"^[a-z]+-[a-z]+\d+$"
Region = Annotated[str, Field(pattern=_REGION)]
"""A region of Cloud Run, as `us-central1`."""


class System(Model):
    """One outside system: where it is, and which environment variable holds its secret.

    What else a system needs (a project, a page, a channel) stands beside these two fields; the
    vendor's client says which names it knows.
    """

    model_config = ConfigDict(extra="allow", frozen=True)

    endpoint: str = Field(description="The address, as https://host or host:port for gRPC.")
    secret: str | None = Field(default=None, description="The environment variable that holds the secret.")

    @property
    def options(self) -> dict[str, Any]:
        """Return the fields beside `endpoint` and `secret`."""
        return dict(self.model_extra or {})


class Access(Model):
    """A system as a client connects to it: the secret is at hand and never printed."""

    name: str
    endpoint: str = Field(repr=False)
    """Not printed either: some write a key into it."""
    secret: SecretStr | None = None
    options: dict[str, Any] = {}
    simulated: bool = False


class SmokePath(Model):
    """One request of a smoke test."""

    path: str = Field(description="What is asked for, as /checkout.")
    method: str = Field(default="GET", description="How it is asked for.")
    json_body: dict[str, Any] | None = Field(default=None, alias="json", description="What is sent along.")


class Smoke(Model):
    """How a service is tried from outside, and what still counts as well."""

    requests: int = Field(default=20, ge=1, le=500, description="How many requests are sent in all.")
    paths: list[SmokePath] = Field(default=[SmokePath(path="/")], description="What is asked for, in turns.")
    error_rate: float = Field(default=0.01, ge=0, le=1, description="More failed requests than this share: failure.")
    p95: Duration | None = Field(default=None, description="A slower 95th percentile than this: failure.")
    timeout: Duration = Field(description="What one request may take.")


class MaintenanceMode(Model):
    """How a service goes into maintenance: by a flag, or by a revision deployed beforehand."""

    flag: str | None = Field(default=None, description="The flag that closes the service.")
    revision_tag: str | None = Field(default=None, description="The traffic tag of the maintenance revision.")

    @model_validator(mode="after")
    def _one_way(self) -> MaintenanceMode:
        if (self.flag is None) == (self.revision_tag is None):
            msg = "maintenance takes either `flag` or `revision_tag`"
            raise ValueError(msg)
        return self


class VercelProject(Model):
    """Where a service is on Vercel."""

    project: str = Field(pattern=r"^[A-Za-z0-9._-]{1,100}$", description="The project's name or id.")
    domain: str = Field(
        pattern=r"^[A-Za-z0-9.-]+\.[A-Za-z]{2,}$", description="The production domain: what it points to serves users."
    )


class Service(Model):
    """Something users reach, and where its handles are."""

    title: str = Field(description="What people call it.")
    url: str = Field(description="Where users reach it.")
    health: str = Field(default="/healthz", description="The path that says whether it is up.")
    smoke: Smoke = Field(description="How it is tried from outside.")
    cloud_run: str | dict[str, str] | None = Field(
        default=None,
        description="Its Cloud Run service, in the system's region; or one for each region, as `us-central1: web`.",
    )
    vercel: VercelProject | None = Field(default=None, description="Its project on Vercel.")
    flags: list[str] = Field(default=[], description="The feature flags that it has.")
    maintenance: MaintenanceMode | None = Field(default=None, description="How it is put into maintenance.")
    customer_facing: bool = Field(default=True, description="Whether customers notice when it is down.")
    status_components: list[str] = Field(default=[], description="Component ids on the status page.")

    @field_validator("cloud_run", mode="before")
    @classmethod
    def _name_or_regions(cls, value: object) -> object:
        """Says in one sentence what either shape must be: of a union pydantic tells each one's trouble."""
        if value is None or isinstance(value, str):
            return value
        regions = cast("dict[object, object]", value) if isinstance(value, dict) else {}
        fit = all(re.fullmatch(_REGION, str(key)) and isinstance(name, str) for key, name in regions.items())
        if not regions or not fit:
            msg = "it must be a service's name, or one for each region, as `us-central1: web`"
            raise ValueError(msg)
        return cast("object", value)


SourceName = Literal[
    "json",
    "alertmanager",
    "grafana",
    "sentry",
    "pagerduty",
    "google",
    "betterstack",
    "uptimerobot",
    "statuscake",
    "pingdom",
    "datadog",
    "supabase",
    "vercel",
    "github",
    "cloudevents",
]
"""The kinds of monitoring systems whose alerts are understood: `docs/alerts.md`."""

_SOURCE_OPTIONS = ("username", "header", "timestamp_header")

_VARIABLE = re.compile(r"[A-Z][A-Z0-9_]*")


class AlertSource(Model):
    """How one monitoring system proves who it is. Without it, nothing is taken from there."""

    secret: str | list[str] = Field(
        description="The environment variable with the secret; a list while one replaces another."
    )
    username: str = Field(default="", description="With Basic authentication; for StatusCake the account's name.")
    header: str = Field(default="", description="The header with the secret or signature, where it is not the usual.")
    timestamp_header: str = Field(default="", description="Grafana's header with the signed time.")

    @property
    def variables(self) -> list[str]:
        """Return the environment variables, the newest secret's first."""
        return [self.secret] if isinstance(self.secret, str) else self.secret

    @field_validator("secret", mode="before")
    @classmethod
    def _names(cls, value: object) -> object:
        """What stands there is not repeated: it may be the secret itself."""
        names = cast("list[object]", value if isinstance(value, list) else [value])
        if not names or not all(isinstance(name, str) and _VARIABLE.fullmatch(name) for name in names):
            msg = "it must be an environment variable's name in capitals, or a list of them; never the secret itself"
            raise ValueError(msg)
        return cast("object", value)


class Takes(NamedTuple):
    """What may stand beside a source's secret, and what must."""

    options: frozenset[str] = frozenset({"username", "header"})
    needed: frozenset[str] = frozenset()


_SIGNS = Takes(frozenset())
_TAKES: dict[SourceName, Takes] = {
    "grafana": Takes(frozenset({"username", "header", "timestamp_header"})),
    "sentry": _SIGNS,
    "pagerduty": _SIGNS,
    "vercel": _SIGNS,
    "github": _SIGNS,
    "statuscake": Takes(frozenset({"username"}), frozenset({"username"})),
}
"""Where it is not what shows a secret takes: a username for Basic, or a header of its own."""


class Systems(Model):
    """A company's `systems.yaml`."""

    systems: dict[Slug, System] = Field(description="The outside systems, by the names that the actions know them by.")
    services: dict[Slug, Service] = Field(description="What users reach: short name -> where and how.")
    alerts: dict[SourceName, AlertSource] = Field(default={}, description="Who may send alerts, and with which secret.")

    @field_validator("alerts")
    @classmethod
    def _options(cls, alerts: dict[SourceName, AlertSource]) -> dict[SourceName, AlertSource]:
        """Refuse what would never open, or would open otherwise than was meant."""
        for name, source in alerts.items():
            takes, given = _TAKES.get(name, Takes()), {field for field in _SOURCE_OPTIONS if getattr(source, field)}
            if wrong := sorted(given - takes.options):
                msg = f"{name} has no option `{wrong[0]}`"
                raise ValueError(msg)
            if missing := sorted(takes.needed - given):
                msg = f"{name} needs the option `{missing[0]}`"
                raise ValueError(msg)
        return alerts
