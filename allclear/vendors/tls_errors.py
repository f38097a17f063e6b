"""Why an encrypted connection to a system could not be made: one mapping for all clients.

A certificate that is refused ends a connection before anything was sent, so our secret has not left this machine.

Source: Python's `ssl` with OpenSSL 3 (verify codes of `openssl verify`), and httpx 0.28, 2026-11: its ConnectError has
the error of `ssl` in its chain of causes. SSL_CERT_FILE replaces the certificates that httpx brings along.
"""

from __future__ import annotations

import ssl
from collections.abc import Iterator

NEXT_STEP = (
    "Check the address in systems.yaml, the clock of this machine and the proxy in between. If the certificate is your "
    "company's own, set SSL_CERT_FILE to a file with its authority beside the public ones."
)
"""What a person does about a connection that cannot be trusted."""
_LONGEST_CHAIN = 10
_PROBLEMS = {
    9: "its certificate is not valid yet",
    10: "its certificate has expired",
    18: "it signed its certificate itself",
    19: "its certificate is from no authority that this machine trusts",
    20: "its certificate is from no authority that this machine trusts",
    21: "its certificate is from no authority that this machine trusts",
    23: "its certificate was revoked",
    62: "its certificate is for another host",
    64: "its certificate is for another host",
}
"""OpenSSL's verify code -> what is wrong, within a sentence."""


def tls_problem(error: BaseException) -> str:
    """Return why no encrypted connection could be made, within a sentence; empty if `error` has another cause."""
    for link in _chain(error):
        if isinstance(link, ssl.SSLError):
            return untrusted_certificate(link) or "no encrypted connection could be agreed on"
    return ""


def untrusted_certificate(error: BaseException) -> str:
    """Return why a certificate was refused, within a sentence; empty if `error` itself is no such refusal."""
    if not isinstance(error, ssl.SSLCertVerificationError):
        return ""
    return _PROBLEMS.get(getattr(error, "verify_code", 0)) or "its certificate is not accepted"


def _chain(error: BaseException) -> Iterator[BaseException]:
    """Yield the error and its causes."""
    link: BaseException | None = error
    for _ in range(_LONGEST_CHAIN):
        if link is None:
            return
        yield link
        link = link.__cause__ or link.__context__
