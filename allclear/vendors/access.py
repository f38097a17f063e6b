"""What every client does with its `Access`: check the options, protect the secret, read the address."""

from __future__ import annotations

import ipaddress
import re
from typing import TypeVar
from urllib.parse import urlsplit

from pydantic import ValidationError

from allclear.domain.base import Model
from allclear.domain.errors import ConfigError, MissingSecret
from allclear.domain.systems import Access

O = TypeVar("O", bound=Model)  # noqa: E741 - the options model of one vendor

_SIMULATED_SECRET = "simulated"  # noqa: S105 - what a simulated vendor gets where no secret is configured


def options_of(access: Access, model: type[O]) -> O:
    """Return a system's options as its own model. Raises ConfigError, with one sentence, for a wrong option."""
    try:
        return model.model_validate(access.options)
    except ValidationError as error:
        problem = error.errors(include_input=False, include_url=False)[0]
        place = ".".join(str(part) for part in problem["loc"])
        known = ", ".join(sorted(model.model_fields)) or "none"
        sentence = {
            "extra_forbidden": f"The system {access.name} has no option `{place}`.",
            "missing": f"The system {access.name} needs the option `{place}`.",
        }.get(problem["type"], f"The option `{place}` of the system {access.name} is wrong: {problem['msg']}.")
        # The input is left out because a secret may have been written in the wrong place.
        raise ConfigError(sentence, f"Correct it in systems.yaml; the options are: {known}.") from None


def secret_of(access: Access) -> str:
    """Return a system's secret. Raises MissingSecret, or ConfigError for one that an HTTP header cannot carry."""
    secret = access.secret.get_secret_value().strip() if access.secret else ""
    if not secret and access.simulated:
        return _SIMULATED_SECRET
    if not secret:
        raise MissingSecret(
            f"The system {access.name} has no secret.",
            "Set the environment variable that systems.yaml names for it, and start again.",
        )
    # A library quotes an impossible header in its error, so the secret must not get that far.
    if not secret.isascii() or not secret.isprintable() or " " in secret:
        raise ConfigError(
            f"The secret of the system {access.name} holds a space, a line break or a letter outside ASCII.",
            "Set its environment variable again, to the key alone.",
        )
    return secret


def is_loopback(address: str) -> bool:
    """Return whether `address` (a URL or host:port) is on this machine."""
    host = urlsplit(address if "//" in address else f"//{address}").hostname or ""
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def redacted(address: str) -> str:
    """Return `address` (a URL or host:port) without a user's name, a password, or a query."""
    scheme, mark, rest = address.partition("://")
    if not mark or not scheme.isalnum():
        scheme, mark, rest = "", "", address
    bare = re.split(r"[?#]", rest, maxsplit=1)[0]
    if "@" in rest[len(bare) :]:  # a password with a question mark in it looks like a host and a query
        bare = "…"
    return f"{scheme}{mark}{bare.rpartition('@')[2]}"


def web_address(access: Access) -> str:
    """Return a system's endpoint without a trailing slash.

    Raises ConfigError for anything but https://. Plain http:// is allowed for this machine and for simulated systems
    only, because the secret would travel unencrypted.
    """
    try:
        parts = urlsplit(access.endpoint)
        schemes = {"https", "http"} if access.simulated or is_loopback(access.endpoint) else {"https"}
        good = bool(parts.hostname) and parts.scheme in schemes and parts.port != 0
    except ValueError:  # the library would quote an invalid port, which may be half a password
        good = False
    if not good:
        raise ConfigError(
            f"The endpoint of the system {access.name} is not an https:// address.",
            "Write it in systems.yaml as https://host.",
        ) from None
    return access.endpoint.rstrip("/")
