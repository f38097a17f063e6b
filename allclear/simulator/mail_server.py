"""A mail server over SMTP, as companies have one: it wants a login, answers each recipient apart, and keeps the mail.

It is written from RFC 5321, 3207 and 4954 with aiosmtpd, and listens on the loopback interface. With a certificate it
offers STARTTLS, and takes a login on an encrypted connection only; a simulated production has none. A fault can hit the
connection (`connect`), the login (`login`), the sender (`mail`), a recipient (`rcpt`) or the text (`data`).

- `unavailable` breaks the connection at that point; at `data` the message is not taken, and no answer is given.
- `answer_lost` at `data`: the message is taken, and the connection breaks before the answer.
- `permission_denied` is a final refusal, `rate_limited` one for a while, `server_error` a fault of the server.
- `slow` holds the answer back.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any, cast

from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session
from typing_extensions import override

from allclear.simulator.apis.http_api import Call, FaultInjector, random_text
from allclear.simulator.faults import Fault, FaultPoints
from allclear.simulator.mailbox import Mail
from allclear.simulator.world import World

NAME = "email"
METHODS = frozenset({"connect", "login", "mail", "rcpt", "data"})
FAULTS = FaultPoints(METHODS)
_LOOPBACK = "127.0.0.1"
_BREAK = ""
"""Stands for no answer: the connection is broken."""
_REFUSALS = {
    ("login", "permission_denied"): "535 5.7.8 Authentication credentials invalid",
    ("login", "rate_limited"): "454 4.7.0 Temporary authentication failure",
    ("mail", "permission_denied"): "550 5.7.1 You are not allowed to send as this sender",
    ("rcpt", "permission_denied"): "550 5.1.1 No such user here",
    ("rcpt", "rate_limited"): "450 4.2.1 The mailbox receives too much mail now",
    ("data", "permission_denied"): "554 5.7.1 The message was rejected by policy",
}
_OTHERWISE = {
    "permission_denied": "550 5.7.1 Not allowed",
    "rate_limited": "451 4.7.1 Try again later",
    "server_error": "554 5.3.0 The server has a fault",
}


def new_secret() -> str:
    """Return the password of the account, for one run."""
    return random_text(20)


class MailServer:
    """Serves SMTP on a free port of the loopback interface."""

    def __init__(self, world: World, password: str, tls: ssl.SSLContext | None = None) -> None:
        """`tls` is the server's certificate; without it there is no encryption."""
        self._world, self._password = world, password
        self.tls = tls
        self._calls = FaultInjector(world, NAME, frozenset({"data"}))
        self._server: asyncio.Server | None = None
        self._open: set[_Connection] = set()

    async def start(self) -> str:
        """Listen, and return the address."""
        listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        listener.bind((_LOOPBACK, 0))
        self._server = await asyncio.get_running_loop().create_server(self._connection, sock=listener)
        return f"smtp://{_LOOPBACK}:{listener.getsockname()[1]}"

    async def stop(self) -> None:
        """Close the port and every connection."""
        if self._server is not None:
            self._server.close()
        for one in list(self._open):
            one.break_off()
        if self._server is not None:
            await self._server.wait_closed()

    def _connection(self) -> _Connection:
        return _Connection(self)

    def opened(self, connection: _Connection) -> None:
        """Note a connection, so that it can be closed."""
        self._open.add(connection)

    def ended(self, connection: _Connection) -> None:
        """Forget a connection."""
        self._open.discard(connection)

    def right_login(self, login: LoginPassword) -> bool:
        """Return whether the password is the account's."""
        return login.password.decode("utf-8", "replace") == self._password

    async def answer(self, method: str, connection: _Connection, handle: Callable[[Call], Awaitable[str]]) -> str:
        """Return the answer to one command; empty if the connection was broken instead."""

        def refuse(fault: Fault) -> str:
            if fault.kind == "unavailable":
                connection.break_off()
                return _BREAK
            return _REFUSALS.get((method, fault.kind)) or _OTHERWISE.get(fault.kind, "451 4.3.0 Local error")

        async def hang_up() -> None:
            connection.break_off()

        return await self._calls.handle_call(method, handle, refuse, hang_up)

    def keep(self, envelope: Envelope, call: Call) -> str:
        """Take a message, and return the server's answer."""
        content = envelope.content if isinstance(envelope.content, bytes) else b""
        mail = Mail(envelope.mail_from or "", tuple(envelope.rcpt_tos), content)
        self._world.mails.append(mail)
        call.facts.update(mail.as_facts())
        return f"250 2.0.0 Ok: queued as {len(self._world.mails):06d}"


class _Connection(SMTP):
    """One client's connection."""

    def __init__(self, server: MailServer) -> None:
        self._mail_server = server
        super().__init__(
            _Commands(server, self),
            hostname="mail.simulated",
            ident="simulated",
            tls_context=server.tls,
            auth_require_tls=server.tls is not None,
            authenticator=self._checked,
        )
        self._auth_required = True  # as an argument it warns that there is no TLS, which loopback needs none of

    @override
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self._mail_server.opened(self)

    @override
    def connection_lost(self, error: Exception | None) -> None:
        self._mail_server.ended(self)
        super().connection_lost(error)

    def break_off(self) -> None:
        """Break the connection without an answer."""
        if isinstance(self.transport, asyncio.WriteTransport):
            self.transport.abort()

    @override
    async def _handle_client(self) -> None:
        async def greeted(_: Call) -> str:
            return "220"

        with suppress(ConnectionError, asyncio.CancelledError):
            answer = await self._mail_server.answer("connect", self, greeted)
            if answer == "220":
                await super()._handle_client()
            elif answer:
                await self.push(answer.replace("451", "421", 1))
                self.break_off()

    @override
    async def push(self, status: str | bytes) -> None:
        if status:
            await super().push(cast("str", status))  # aiosmtpd takes both, but no union of them

    @override
    async def smtp_AUTH(self, arg: str | None) -> None:
        async def logged_in(_: Call) -> str:
            await super(_Connection, self).smtp_AUTH(arg)
            return _BREAK

        await self.push(await self._mail_server.answer("login", self, logged_in))

    def _checked(self, _: SMTP, __: Session, ___: Envelope, ____: str, data: Any) -> AuthResult:  # noqa: ANN401
        good = isinstance(data, LoginPassword) and self._mail_server.right_login(data)
        return AuthResult(success=good, handled=False)


class _Commands:
    """What aiosmtpd calls for each command of one connection; the names are its own."""

    def __init__(self, server: MailServer, connection: _Connection) -> None:
        self._server, self._connection = server, connection

    async def handle_MAIL(  # noqa: N802 - aiosmtpd's names
        self, _: SMTP, __: Session, envelope: Envelope, address: str, ___: list[str]
    ) -> str:
        """Take the sender."""

        async def taken(_: Call) -> str:
            envelope.mail_from = address
            return "250 2.1.0 Ok"

        return await self._server.answer("mail", self._connection, taken)

    async def handle_RCPT(  # noqa: N802
        self, _: SMTP, __: Session, envelope: Envelope, address: str, ___: list[str]
    ) -> str:
        """Take one recipient."""

        async def taken(_: Call) -> str:
            envelope.rcpt_tos.append(address)
            return "250 2.1.5 Ok"

        return await self._server.answer("rcpt", self._connection, taken)

    async def handle_DATA(self, _: SMTP, __: Session, envelope: Envelope) -> str:  # noqa: N802
        """Take the message."""

        async def taken(call: Call) -> str:
            return self._server.keep(envelope, call)

        return await self._server.answer("data", self._connection, taken)
