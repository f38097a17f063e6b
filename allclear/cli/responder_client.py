"""The command line as a client of the responder: it sends commands over HTTP, each with a key of its own.

It needs only the standard library, so that a command starts as fast as before.
"""

from __future__ import annotations

import http.client
import json
import socket
import threading
import uuid
from collections.abc import Generator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any, cast
from urllib.parse import quote, urlsplit

from pydantic import BaseModel, ValidationError

from allclear.commands.problems import Problem
from allclear.domain.errors import VendorError
from allclear.domain.text import plain
from allclear.settings import Settings

CONNECT_SECONDS = 1.0
"""How long a connection may take: the journal is written directly if the responder does not answer."""

_HEALTH_SECONDS = 5.0
_ANSWER_SECONDS = 300.0
"""An act that a person starts is carried out before the answer, which may take minutes."""

_LARGEST = 10 * 1024 * 1024
_OK = 200
_USER_AGENT = "allclear-cli"
"""The responder records this as the command line."""


class _Lost(Exception):
    """The request may have been received, and its answer is lost."""


@dataclass(frozen=True)
class ResponderClient:
    """A responder that has said that it works on our company, and a person's token for it."""

    url: str
    token: str
    name: str = ""
    role: str = ""

    def send(self, path: str, body: BaseModel | None = None) -> dict[str, Any]:
        """Post a body and return the answer. If the answer is lost, the request is sent once more with its key.

        Raises the error that the responder answers, and VendorError if its answer is lost or cannot be read.
        """
        fields = body.model_dump(mode="json", by_alias=True) if body else {}
        key = str(uuid.uuid4())
        try:
            return self._call("POST", path, fields, key)
        except _Lost:
            try:
                return self._call("POST", path, fields, key)
            except _Lost:
                raise VendorError(
                    f"The answer of the responder at {self.url} is lost: the command may have been carried out.",
                    "Read the record before you send it again: allclear incidents.",
                ) from None

    def get(self, path: str) -> Any:  # noqa: ANN401 - JSON
        """Return what the responder has at `path`. Raises as `send` does."""
        try:
            return self._call("GET", path, None, "")
        except _Lost:
            raise VendorError(f"The responder at {self.url} did not answer.", "Try again.") from None

    def _call(self, method: str, path: str, fields: dict[str, Any] | None, key: str) -> Any:  # noqa: ANN401 - JSON
        headers = {"Authorization": f"Bearer {self.token}", "User-Agent": _USER_AGENT}
        optional = {
            "Idempotency-Key": key,
            "Allclear-As": quote(self.name),
            "Allclear-Role": self.role,
            "Content-Type": "application/json" if fields is not None else "",
        }
        headers |= {name: value for name, value in optional.items() if value}
        body = json.dumps(fields).encode() if fields is not None else None
        try:
            status, answer = request(self.url, method, path, body, headers, _ANSWER_SECONDS)
        except (OSError, http.client.HTTPException) as error:
            raise _Lost from error
        try:
            read = json.loads(answer)
            if status == _OK:
                return read
            raise Problem.model_validate(read).as_error()
        except (ValueError, ValidationError):
            raise VendorError(
                f"What answers at {self.url} is not allclear's responder, or a proxy answers for it (status {status}).",
                "Correct ALLCLEAR_RESPONDER_URL, or unset ALLCLEAR_TOKEN to write the journal directly.",
            ) from None


@dataclass(frozen=True)
class NoResponder:
    """Why no responder of ours carries out what a person says."""

    why: str
    """In a sentence without a full stop."""
    mismatch: str = ""
    """What to set, if a responder answers that works on something else."""
    check: str = ""
    """What to check, if none answers."""


def find_responder(settings: Settings, name: str | None, role: str | None) -> ResponderClient | NoResponder:
    """Return the client of the responder, or why the one at ALLCLEAR_RESPONDER_URL cannot be used.

    The token is sent only after the responder has said that it works on our company and production. A redirect is no
    answer.
    """
    url, company, token = settings.responder_url, settings.company, settings.token
    health = _health(url)
    if health is None:
        return NoResponder(
            f"No responder of {company} answers at ALLCLEAR_RESPONDER_URL",
            check=f"Check ALLCLEAR_RESPONDER_URL ({url}), and whether the responder runs.",
        )
    if health.get("company") != company:
        other = plain(str(health.get("company") or "another company"), 60)
        return NoResponder(
            f"The responder at ALLCLEAR_RESPONDER_URL is of {other}, not of {company}",
            f"Set ALLCLEAR_COMPANY to {other}, or ALLCLEAR_RESPONDER_URL to the responder of {company}.",
        )
    if health.get("simulated") != (settings.simulation is not None):
        return _other_production(simulated=bool(health.get("simulated")))
    return ResponderClient(url, token.get_secret_value().strip() if token else "", name or "", role or "")


def _other_production(*, simulated: bool) -> NoResponder:
    """Return that the responder works on the other one of the simulated and the real production."""
    if simulated:
        return NoResponder(
            "The responder at ALLCLEAR_RESPONDER_URL works on a simulated production, and ALLCLEAR_SIMULATION is not "
            "set here",
            "To work on it, set ALLCLEAR_SIMULATION as the terminal of `allclear up --simulated` prints it.",
        )
    return NoResponder(
        "The responder at ALLCLEAR_RESPONDER_URL works on the real production, and ALLCLEAR_SIMULATION is set here",
        "To work on the real one, unset ALLCLEAR_SIMULATION.",
    )


def is_there(url: str) -> bool:
    """Return whether a responder answers at `url`."""
    return _health(url) is not None


def _health(url: str) -> dict[str, Any] | None:
    """Return what a responder says of itself, or None if none answers."""
    try:
        status, answer = request(url, "GET", "/healthz", None, {"User-Agent": _USER_AGENT}, _HEALTH_SECONDS)
        health = json.loads(answer) if status == _OK else None
    except (OSError, http.client.HTTPException, ValueError):
        return None
    return cast("dict[str, Any]", health) if isinstance(health, dict) else None


def request(
    url: str, method: str, path: str, body: bytes | None, headers: dict[str, str], seconds: float
) -> tuple[int, bytes]:
    """Send one request and return the status and the body of the answer.

    `seconds` is the longest time from the connection to the last byte. Raises OSError and HTTPException.
    """
    parts = urlsplit(url)
    kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    connection = kind(parts.hostname or "", parts.port, timeout=CONNECT_SECONDS)
    try:
        connection.connect()
        with _ended_after(seconds, connection.sock) as has_ended:
            connection.request(method, f"{parts.path.rstrip('/')}{path}", body, headers)
            answer = connection.getresponse()
            read = answer.read(_LARGEST)
            if has_ended.is_set():
                msg = f"no whole answer within {seconds:g} s"
                raise TimeoutError(msg)
            return answer.status, read
    finally:
        connection.close()


@contextmanager
def _ended_after(seconds: float, connection: socket.socket) -> Generator[threading.Event]:
    """End a connection after `seconds`: its own time limit counts anew for every byte that arrives."""
    ended = threading.Event()

    def end() -> None:
        ended.set()
        with suppress(OSError):  # it has ended by itself
            connection.shutdown(socket.SHUT_RDWR)

    connection.settimeout(seconds)
    timer = threading.Timer(seconds, end)
    timer.daemon = True
    timer.start()
    try:
        yield ended
    finally:
        timer.cancel()
