"""Authentication of alerts: the secrets that systems.yaml names under `alerts`, and the token of the responder."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from pydantic import SecretStr

from allclear.company import Company, require_alert_sources
from allclear.domain.base import Clock, utc_now
from allclear.domain.errors import ConfigError
from allclear.domain.systems import AlertSource
from allclear.responder.sources import SOURCES
from allclear.responder.sources.request import RawRequest
from allclear.responder.sources.signatures import AuthenticationResult, Credentials, reject


@dataclass(frozen=True)
class AlertAuthenticator:
    """The authentication of the alerts of one company's configured sources."""

    configured: Mapping[str, AlertSource]
    secret: Callable[[str], str]
    """Returns what an environment variable holds, or the empty string."""
    token: SecretStr | None
    """ALLCLEAR_ALERT_TOKEN, which some sources accept beside their own secret."""
    clock: Clock = utc_now

    def authenticate(self, name: str, request: RawRequest) -> AuthenticationResult:
        """Return how well `request` authenticates the installed source called `name`. Never raises."""
        try:
            credentials = self.credentials(name)
        except ConfigError as error:  # an installed package whose source cannot be loaded
            return reject(error.message, 403)
        if credentials is None:
            return self.not_configured(name)
        source, now = SOURCES[name], self.clock()
        result = source.authenticate(request, credentials, now)
        token = self._token(name)
        if result.rejected and token and credentials.secrets != (token,):
            by_token = source.authenticate(request, Credentials((token,)), now)
            return result if by_token.rejected else by_token
        return result

    def credentials(self, name: str) -> Credentials | None:
        """Return the credentials of a source, or None if it is not configured or none of its secrets is set."""
        config = self.configured.get(name)
        if config is not None:
            secrets = tuple(secret for variable in config.variables if (secret := self.secret(variable)))
            if secrets:
                return Credentials(secrets, {option: str(value) for option, value in config.options.items()})
        token = self._token(name)
        return Credentials((token,)) if token else None

    def not_configured(self, name: str) -> AuthenticationResult:
        """Return the rejection of a source that is not configured, or whose secret is not set."""
        config = self.configured.get(name)
        if config is None:
            return reject(
                f"The source {name} is not configured: systems.yaml names no secret for it under `alerts: {name}`.", 403
            )
        missing = " or ".join(config.variables)
        return reject(f"The source {name} has no secret: set {missing} and start the responder again.", 403)

    def variables(self, name: str) -> list[str]:
        """Return the environment variables of which one must hold the secret of a source."""
        config = self.configured.get(name)
        token = ["ALLCLEAR_ALERT_TOKEN"] if SOURCES[name].accepts_alert_token else []
        return [*(config.variables if config else []), *token]

    def _token(self, name: str) -> str:
        """Return the token, or the empty string if there is none or the source does not accept it."""
        return self.token.get_secret_value() if self.token and SOURCES[name].accepts_alert_token else ""


def make_authenticator(
    company: Company, secret: Callable[[str], str], token: SecretStr | None, clock: Clock = utc_now
) -> AlertAuthenticator:
    """Return the authenticator of `company`; `secret` returns what an environment variable holds.

    Raises ConfigError for a configured source that is not installed or whose options are wrong.
    """
    require_alert_sources(company, SOURCES)
    return AlertAuthenticator(company.systems.alerts, secret, token, clock)
