"""Sends a sample to a responder as its vendor would, and follows what becomes of it."""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import httpx
from pydantic import SecretStr

from allclear.domain.errors import NotFound, Unreachable, VendorRefused
from allclear.responder.gate import Gate
from allclear.responder.samples import SAMPLES, sample, signed

_LOOKS, _BETWEEN = 40, 0.25
"""How often, and after how many seconds each, it is looked what became of a delivery."""


@dataclass(frozen=True)
class Sent:
    """A sample that was taken in."""

    delivery: str
    became: dict[str, Any] | None
    """What GET /alerts/{id} says of it; None without the token, which alone may look."""


def send(gate: Gate, http: httpx.Client, source: str, name: str, now: datetime) -> Sent:
    """Sends a sample of `source` through `http`, whose base address is the responder's.

    Raises NotFound for a sample there is not, VendorRefused for one that is turned away, Unreachable.
    """
    if name not in SAMPLES.get(source, ()):
        there = ", ".join(SAMPLES.get(source, ())) or f"no samples; the sources are {', '.join(SAMPLES)}"
        raise NotFound(f"There is no sample {name!r} of {source!r}.", f"There are: {there}.")
    keys = gate.keys(source)
    if keys is None:
        raise NotFound(gate.closed(source).why, "docs/alerts.md says how each source is configured.")
    request = signed(sample(source, name, now), keys, now)
    address = f"/alerts/{source}" + (f"?{request.query}" if request.query else "")
    try:
        answer = http.post(address, content=request.body, headers=list(request.headers))
    except httpx.HTTPError as error:
        raise Unreachable(f"The responder does not answer: {type(error).__name__}.", "Start it: make up.") from error
    if not answer.is_success:
        raise VendorRefused(
            f"The responder answered {answer.status_code}: {answer.text[:500]}", "Compare the secret on both sides."
        )
    delivery = str(answer.json()["id"])
    return Sent(delivery, _became(http, delivery, gate.token))


def _became(http: httpx.Client, delivery: str, token: SecretStr | None) -> dict[str, Any] | None:
    if token is None:
        return None
    headers = {"Authorization": f"Bearer {token.get_secret_value()}"}
    said: dict[str, Any] = {}
    for _ in range(_LOOKS):
        said = http.get(f"/alerts/{delivery}", headers=headers).raise_for_status().json()
        if said["state"] != "new":
            break
        time.sleep(_BETWEEN)
    return said
