"""The one TLS context of all clients in a process, because making one reads every CA certificate."""

from __future__ import annotations

import ssl
from functools import cache


@cache
def trusted_certificates() -> ssl.SSLContext:
    """Return the context. The first call also imports httpx, 0.3 s: make it in a thread."""
    import httpx  # noqa: PLC0415 - 0.3 s, paid when first used

    return httpx.create_ssl_context()
