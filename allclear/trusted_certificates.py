"""The one TLS context of all clients in a process, because making one reads every CA certificate."""

from __future__ import annotations

import os
import ssl
from functools import cache

from allclear.domain.errors import ConfigError


@cache
def trusted_certificates() -> ssl.SSLContext:
    """Return the context. The first call also imports httpx, 0.3 s: make it in a thread.

    Raises ConfigError if SSL_CERT_FILE or SSL_CERT_DIR names something that cannot be read as certificates.
    """
    import httpx  # noqa: PLC0415 - 0.3 s, paid when first used

    try:
        return httpx.create_ssl_context()
    except (OSError, ValueError) as error:  # ssl.SSLError is an OSError, too
        raise _unusable(error) from None


def _unusable(error: Exception) -> ConfigError:
    """Return the error for certificates that cannot be read: it names the variable that names them."""
    name = next((one for one in ("SSL_CERT_FILE", "SSL_CERT_DIR") if os.environ.get(one)), "")
    if not name:
        return ConfigError(
            f"The certificates of the public authorities cannot be read: {error}.",
            "Install allclear again, or set SSL_CERT_FILE to a file with them in PEM.",
        )
    why = "there is no certificate in it" if isinstance(error, ssl.SSLError) else getattr(error, "strerror", None)
    return ConfigError(
        f"{name} is {os.environ[name]}, and no certificate can be read there: {why or error}.",
        f"Set {name} to a file with certificates in PEM that this user may read, or unset it.",
    )
