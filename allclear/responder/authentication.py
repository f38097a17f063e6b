"""Who may send alerts: what `alerts` of systems.yaml says of a source, and what a request proves by it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from pydantic import SecretStr

from allclear.company import Company
from allclear.domain.base import Clock, utc_now
from allclear.domain.systems import AlertSource, SourceName
from allclear.responder.sources import SOURCES
from allclear.responder.sources.request import RawRequest
from allclear.responder.sources.signatures import Keys, Proof

WITH_THE_TOKEN: tuple[SourceName, ...] = ("alertmanager", "json")
"""The sources to which ALLCLEAR_ALERT_TOKEN opens, whatever else is configured for them."""


@dataclass(frozen=True)
class Gate:
    """The configured sources of one company."""

    configured: dict[SourceName, AlertSource]
    secret: Callable[[str], str]
    token: SecretStr | None
    clock: Clock = utc_now

    def admit(self, name: str, request: RawRequest) -> Proof:
        """Return what `request` proves for the source called `name`, which must be one there is. Never raises."""
        keys = self.keys(name)
        if keys is None:
            return self.closed(name)
        proof = SOURCES[name].authenticate(request, keys, self.clock())
        token = self.token.get_secret_value() if self.token else ""
        if proof.refused and name in WITH_THE_TOKEN and token and keys.secrets != (token,):
            by_token = SOURCES[name].authenticate(request, Keys((token,)), self.clock())
            return proof if by_token.refused else by_token
        return proof

    def keys(self, name: str) -> Keys | None:
        """Return what is configured for a source, or None where that is nothing, or a secret that is not set."""
        config = self._config(name)
        if config is not None:
            found = tuple(secret for variable in config.variables if (secret := self.secret(variable)))
            if found:
                return Keys(found, config.username, config.header, config.timestamp_header)
        token = self.token.get_secret_value() if self.token else ""
        return Keys((token,)) if token and name in WITH_THE_TOKEN else None

    def closed(self, name: str) -> Proof:
        """Return the refusal of a source that nobody has configured, or whose secret is not set."""
        config = self._config(name)
        if config is None:
            reason = f"The source {name} is not configured: systems.yaml names no secret for it under `alerts: {name}`."
            return Proof(None, reason, 403)
        missing = " or ".join(config.variables)
        return Proof(None, f"The source {name} has no secret: set {missing} and start the responder again.", 403)

    def _config(self, name: str) -> AlertSource | None:
        return next((config for known, config in self.configured.items() if known == name), None)


def make_gate(company: Company, secret: Callable[[str], str], token: SecretStr | None, clock: Clock = utc_now) -> Gate:
    """Return the gate of `company`; `secret` tells what an environment variable holds."""
    return Gate(company.systems.alerts, secret, token, clock)
