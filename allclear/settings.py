"""The settings that a process reads from its environment, with units and defaults."""

from __future__ import annotations

import json
from functools import cached_property
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, StringConstraints, ValidationError, field_validator, model_validator
from pydantic_core import PydanticCustomError
from pydantic_settings import BaseSettings, SettingsConfigDict

from allclear.domain.base import Model
from allclear.domain.durations import Duration
from allclear.domain.errors import ConfigError

IAP_ISSUER = "https://cloud.google.com/iap"
IAP_KEYS = "https://www.gstatic.com/iap/verify/public_key-jwk"
IAP_HEADER = "X-Goog-IAP-JWT-Assertion"
"""Google's Identity-Aware Proxy. *Source:* Google Cloud, "Securing your app with signed headers"."""

_THIS_MACHINE = frozenset({"localhost", "127.0.0.1", "::1"})


class Simulation(Model):
    """The addresses and secrets of a simulated production: the first line of `allclear simulate --json`."""

    endpoints: dict[str, str]
    control: str
    secrets: dict[str, SecretStr]
    options: dict[str, dict[str, str]] = {}
    id: Annotated[str, StringConstraints(strip_whitespace=True)] = ""
    """A new one at each start. It knows nothing of the incidents with another id. Empty if the line has none."""

    @staticmethod
    def load(path: Path) -> Simulation:
        """Read the file that holds that line. Raises ConfigError."""
        try:
            return Simulation.model_validate(json.loads(path.read_text()))
        except (OSError, ValueError, ValidationError) as error:
            raise ConfigError(
                f"{path} does not describe a simulated production: {type(error).__name__}.",
                "Write the first line of `allclear simulate COMPANY/SCENARIO --json` into it.",
            ) from error


class Settings(BaseSettings):
    """Read from the environment: ALLCLEAR_COMPANY, ALLCLEAR_JOURNAL_URL and so on."""

    model_config = SettingsConfigDict(env_prefix="ALLCLEAR_", frozen=True, extra="ignore")

    company: str = Field(default="vintstreet", description="A folder under runbooks/.")
    journal_url: str = Field(
        default="sqlite:///.allclear/journal.db",
        repr=False,
        description="The address of the journal; may hold a password.",
    )
    responder_url: str = Field(default="http://127.0.0.1:8077", description="The address of the responder.")
    page_url: str = Field(
        default="",
        description="The responder's address as people's browsers reach it, for links; the responder's own if empty.",
    )
    link_key: SecretStr | None = Field(
        default=None,
        description="Signs personal links. Several, separated by commas, while a key is replaced: the last one signs.",
    )
    proxy_audience: str = Field(
        default="",
        description="The audience in an identity proxy's signed assertions, as IAP shows it. Empty: there is no proxy.",
    )
    proxy_issuer: str = Field(default=IAP_ISSUER, description="The issuer in them; Google's IAP by default.")
    proxy_keys_url: str = Field(default=IAP_KEYS, description="The address of the proxy's public keys, a JWK set.")
    proxy_header: str = Field(default=IAP_HEADER, description="The header that holds the signed assertion, a JWT.")
    alert_token: SecretStr | None = Field(default=None, description="The bearer token that alerts carry.")
    token: SecretStr | None = Field(
        default=None, description="The personal token of the person at the command line, for the responder."
    )
    metrics_open: bool = Field(default=False, description="Whether /metrics needs no token.")
    simulation: Path | None = Field(default=None, description="A file that describes a simulated production.")
    stand_ins: dict[str, str] = Field(
        default={}, description="In a drill: role -> who holds it, for the roles that the plan names no one for."
    )
    recovery_over: Duration | None = Field(
        default=None,
        description="How long recovery is observed in a simulation, instead of the plan's time: a drill is short.",
    )
    user: str | None = Field(default=None, description="The person at the command line, unless --as names one.")
    heartbeat_url: SecretStr | None = Field(
        default=None, description="What the responder calls while it is ready: an external dead-man's switch."
    )
    heartbeat_seconds: float = Field(default=30.0, ge=1, le=3600, description="Seconds between two such calls.")
    prefect_api_url: str = Field(
        default="http://127.0.0.1:4200/api", alias="PREFECT_API_URL", description="Prefect's API."
    )

    @field_validator("responder_url", "prefect_api_url", "page_url", "proxy_keys_url")
    @classmethod
    def _is_an_address(cls, value: str) -> str:
        if not value:
            return value
        try:
            parts = urlsplit(value)
            good = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
        except ValueError as error:
            raise PydanticCustomError("address", "is not an address like http://127.0.0.1:8077") from error
        if not good:
            raise PydanticCustomError("address", "is not an address like http://127.0.0.1:8077")
        return value

    @model_validator(mode="after")
    def _proxy_is_whole(self) -> Settings:
        own = self.proxy_issuer != IAP_ISSUER
        if self.proxy_audience and own == (self.proxy_keys_url == IAP_KEYS):
            raise PydanticCustomError(
                "proxy", "ALLCLEAR_PROXY_ISSUER and ALLCLEAR_PROXY_KEYS_URL must be of the same identity proxy"
            )
        return self

    @field_validator("heartbeat_url")
    @classmethod
    def _is_a_heartbeat(cls, value: SecretStr | None) -> SecretStr | None:
        address = value.get_secret_value().strip() if value else ""
        return SecretStr(cls._is_an_address(address)) if address else None

    @field_validator("token")
    @classmethod
    def _is_not_blank(cls, value: SecretStr | None) -> SecretStr | None:
        return value if value and value.get_secret_value().strip() else None

    @property
    def public_url(self) -> str:
        """Return the address of the responder in people's browsers."""
        return self.page_url or self.responder_url

    @property
    def outside_url(self) -> str:
        """Return the address of the responder for vendors; empty if no ALLCLEAR_PAGE_URL gives them one.

        A simulated vendor reaches this machine's own address.
        """
        if self.simulation:
            return self.public_url
        host = urlsplit(self.page_url).hostname or ""
        return "" if host in _THIS_MACHINE else self.page_url

    @cached_property
    def link_keys(self) -> list[SecretStr]:
        """Return the keys of personal links; the last one signs."""
        given = self.link_key.get_secret_value().split(",") if self.link_key else []
        return [SecretStr(key.strip()) for key in given if key.strip()]

    @cached_property
    def simulated(self) -> Simulation | None:
        """Return the simulated production that this process works on, or None for the real one."""
        return Simulation.load(self.simulation) if self.simulation else None


def load_settings() -> Settings:
    """Return the settings of this process. Raises ConfigError for an invalid value."""
    try:
        return Settings()
    except ValidationError as error:
        first = error.errors()[0]
        if not first["loc"]:
            raise ConfigError(f"{first['msg']}.", "Correct it in the environment.") from error
        name = "_".join(str(part) for part in first["loc"]).upper()
        name = name if name.startswith("PREFECT_") else f"ALLCLEAR_{name}"
        raise ConfigError(f"{name}: {first['msg']}.", "Correct it in the environment.") from error
