"""Sends a sample to a responder as its vendor would, and follows what becomes of it."""

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
"""How often, and after how many seconds each, it is looked what became of a delivery."""


@dataclass(frozen=True)
class Sent:
    """A sample that was taken in."""

    delivery: str
    decision: dict[str, Any] | None
    """What GET /alerts/{id} says of it; None without the responder's token, which alone may look."""


def lacks(authenticator: AlertAuthenticator, source: str) -> str:
    """Return what is missing here for samples of `source`, in a few words; nothing where it is configured."""
    if authenticator.credentials(source) is not None:
        return ""
    variables = authenticator.variables(source)
    return f"{' or '.join(variables)} is not set here" if variables else "not configured in systems.yaml"


def send(authenticator: AlertAuthenticator, http: httpx.Client, source: str, name: str, now: datetime) -> Sent:
    """Send a sample of `source` through `http`, whose base address is the responder's.

    Raises NotFound for a sample there is not, ConfigError where this side or the responder lacks the secret or has
    another, VendorRefused for what is turned away otherwise, Unreachable.
    """
    make_sample = _sample(source, name)
    credentials = authenticator.credentials(source)
    if credentials is None:
        raise _cannot_sign(authenticator, source)
    request = SOURCES[source].sign(make_sample(now), credentials, now)
    address = f"/alerts/{source}" + (f"?{request.query}" if request.query else "")
    try:
        answer = http.post(address, content=request.body, headers=list(request.headers))
    except httpx.HTTPError as error:
        raise Unreachable(
            f"Nothing answers at {http.base_url}: {type(error).__name__}.",
            "Start the responder (allclear up, or allclear responder), or set ALLCLEAR_RESPONDER_URL to where it is.",
        ) from error
    if not answer.is_success:
        raise _turned_away(authenticator, source, answer)
    delivery = str(answer.json()["id"])
    return Sent(delivery, _became(http, delivery, authenticator.token))


def _sample(source: str, name: str) -> MakeSample:
    """Return what makes the sample `name` of `source`. Raises NotFound with the samples or sources there are."""
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
            f"Set {variables} here to what it is where the responder runs.",
        )
    return ConfigError(
        f"A sample of {source} cannot be signed: systems.yaml names no secret for it.",
        f"Add `{source}: {{secret: VARIABLE}}` under `alerts` (docs/reference/alert-sources.md), and set that variable "
        "here and where the responder runs.",
    )


def _turned_away(authenticator: AlertAuthenticator, source: str, answer: httpx.Response) -> AllclearError:
    """Return the refusal, with what a person does about it on which side."""
    variables, address = " or ".join(authenticator.variables(source)), answer.request.url.copy_with(query=None)
    said = f"The responder turned the sample of {source} away ({answer.status_code}): {_detail(answer)}"
    match answer.status_code:
        case 401:
            return ConfigError(said, f"Set {variables} to the same value here and where the responder runs.")
        case 403:
            return ConfigError(
                said,
                f"Where the responder runs, `alerts: {source}` must stand in systems.yaml and {variables} be set; then "
                "start it again.",
            )
        case 404 | 405:
            return ConfigError(
                f"{address} is no door for alerts of {source} ({answer.status_code}): {_detail(answer)}",
                "Set ALLCLEAR_RESPONDER_URL to the responder's address; if it is that, update the responder.",
            )
        case 503:
            wait = answer.headers.get("retry-after", "a few")
            return Unreachable(said, f"Send it again in {plain(wait, 10)} seconds; GET /readyz says what is wrong.")
        case _:
            return VendorRefused(said, "Read the responder's log.")


def _detail(answer: httpx.Response) -> str:
    """Return why, in the answer's own words: its `detail`, or its text."""
    try:
        said = str(answer.json()["detail"])
    except (ValueError, LookupError, TypeError):
        said = answer.text
    return plain(said, LONG) or "it does not say why."


def _became(http: httpx.Client, delivery: str, token: SecretStr | None) -> dict[str, Any] | None:
    if token is None:
        return None
    headers = {"Authorization": f"Bearer {token.get_secret_value()}"}
    said: dict[str, Any] = {}
    for _ in range(_CHECKS):
        try:
            answer = http.get(f"/alerts/{delivery}", headers=headers)
        except httpx.HTTPError:  # it is taken in: only what became of it is not known
            return None
        if not answer.is_success:
            return None
        said = answer.json()
        if said["state"] != "new":
            break
        time.sleep(_BETWEEN)
    return said
