"""Sends a sample alert to a responder as the vendor would, and waits for the responder's decision."""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import httpx
from pydantic import SecretStr

from allclear.domain.errors import AllclearError, ConfigError, MissingSecret, NotFound, Unreachable, VendorRefused
from allclear.domain.text import LONG, plain
from allclear.responder.authentication import AlertAuthenticator
from allclear.responder.sources import SOURCES
from allclear.responder.sources.source import MakeSample

_CHECKS, _BETWEEN = 40, 0.25
"""How often the decision is requested, and the seconds between two requests."""


@dataclass(frozen=True)
class SentSample:
    """A sample that the responder has accepted."""

    delivery: str
    decision: dict[str, Any] | None
    """The answer of GET /alerts/{id}; None if the responder's token is missing or wrong here."""


def missing_configuration(authenticator: AlertAuthenticator, source: str) -> str:
    """Return what is missing here for samples of `source`, in a few words; empty if it is configured."""
    if authenticator.credentials(source) is not None:
        return ""
    variables = authenticator.variables(source)
    return f"{' or '.join(variables)} is not set here" if variables else "not configured in systems.yaml"


def send_sample(
    authenticator: AlertAuthenticator, http: httpx.Client, source: str, name: str, now: datetime
) -> SentSample:
    """Send a sample of `source` through `http`, whose base address is the responder's, and wait for the decision.

    Raises NotFound if there is no such sample, MissingSecret or ConfigError if the secret is missing or differs here or
    at the responder, Unreachable if the responder does not answer or is busy, and VendorRefused for other rejections.
    """
    make_sample = _sample(source, name)
    credentials = authenticator.credentials(source)
    if credentials is None:
        raise _cannot_sign(authenticator, source)
    request = SOURCES[source].sign(make_sample(now), credentials, now)
    address = f"/alerts/{source}" + (f"?{request.query}" if request.query else "")
    try:
        response = http.post(address, content=request.body, headers=list(request.headers))
    except httpx.HTTPError as error:
        raise Unreachable(
            f"Nothing answers at {http.base_url}: {type(error).__name__}.",
            "Start the responder (allclear up, or allclear responder), or set ALLCLEAR_RESPONDER_URL to its address.",
        ) from error
    if not response.is_success:
        raise _rejected(authenticator, source, response)
    delivery = str(response.json()["id"])
    return SentSample(delivery, _wait_for_decision(http, delivery, authenticator.token))


def _sample(source: str, name: str) -> MakeSample:
    """Return the function that makes the sample. Raises NotFound with the names that exist."""
    if source not in SOURCES:
        raise NotFound(f"There is no alert source {source!r}.", f"There are: {', '.join(SOURCES)}.")
    samples = SOURCES[source].samples
    if name not in samples:
        raise NotFound(f"There is no sample {name!r} of {source!r}.", f"There are: {', '.join(samples) or 'none'}.")
    return samples[name]


def _cannot_sign(authenticator: AlertAuthenticator, source: str) -> AllclearError:
    variables = " or ".join(authenticator.variables(source))
    if variables:
        return MissingSecret(
            f"A sample of {source} cannot be signed: {variables} is not set here.",
            f"Set {variables} here to the same value as where the responder runs.",
        )
    return ConfigError(
        f"A sample of {source} cannot be signed: systems.yaml names no secret for it.",
        f"Add `{source}: {{secret: VARIABLE}}` under `alerts` (docs/reference/alert-sources.md), and set that variable "
        "here and where the responder runs.",
    )


def _rejected(authenticator: AlertAuthenticator, source: str, response: httpx.Response) -> AllclearError:
    """Return the error for a rejected sample; its next step names the side on which something must be changed."""
    variables, address = " or ".join(authenticator.variables(source)), response.request.url.copy_with(query=None)
    message = f"The responder rejected the sample of {source} ({response.status_code}): {_detail(response)}"
    match response.status_code:
        case 401:
            return ConfigError(message, f"Set {variables} to the same value here and where the responder runs.")
        case 403:
            return ConfigError(
                message,
                f"Where the responder runs, add `alerts: {source}` to systems.yaml and set {variables}; then restart "
                "the responder.",
            )
        case 404 | 405:
            return ConfigError(
                f"{address} does not accept alerts of {source} ({response.status_code}): {_detail(response)}",
                "Set ALLCLEAR_RESPONDER_URL to the responder's address; if it is correct, update the responder.",
            )
        case 503:
            wait = response.headers.get("retry-after", "a few")
            return Unreachable(
                message, f"Send the sample again in {plain(wait, 10)} seconds; GET /readyz says what is wrong."
            )
        case _:
            return VendorRefused(message, "Read the responder's log.")


def _detail(response: httpx.Response) -> str:
    """Return the reason that the response gives: its `detail`, or its text."""
    try:
        reason = str(response.json()["detail"])
    except (ValueError, LookupError, TypeError):
        reason = response.text
    return plain(reason, LONG) or "it gives no reason."


def _wait_for_decision(http: httpx.Client, delivery: str, token: SecretStr | None) -> dict[str, Any] | None:
    """Return the delivery with its decision; still `new` if there is none in time, None if it cannot be requested."""
    if token is None:
        return None
    headers = {"Authorization": f"Bearer {token.get_secret_value()}"}
    view: dict[str, Any] = {}
    for _ in range(_CHECKS):
        try:
            response = http.get(f"/alerts/{delivery}", headers=headers)
        except httpx.HTTPError:  # the sample is accepted; only the decision is not known
            return None
        if not response.is_success:
            return None
        view = response.json()
        if view["state"] != "new":
            break
        time.sleep(_BETWEEN)
    return view
