"""A company's mail server over SMTP: sending one message to several people, and whom the server refused.

Source: aiosmtplib 5.1.3 and RFC 5321, 2026-11:
- Each recipient is answered apart: one can be refused while the others are accepted. 4xx is a refusal for a while, 5xx
  is final. 250 after the text means that the server took the message, not that it was delivered, and never that it was
  read. If the connection breaks after the text, the server may have taken it.
- Port 465 is encrypted from the first byte; on every other port the connection is upgraded with STARTTLS. By default
  aiosmtplib upgrades only if the server offers it: a man in the middle would take the offer out, so we insist.
"""

from __future__ import annotations

import asyncio
import base64
import ssl
from collections.abc import Sequence
from dataclasses import dataclass
from email.message import EmailMessage
from email.policy import SMTP as SMTP_POLICY
from typing import TYPE_CHECKING, ClassVar, Self
from urllib.parse import urlsplit

from pydantic import Field

from allclear.domain.base import Model
from allclear.domain.errors import AllclearError, ConfigError
from allclear.domain.systems import Access
from allclear.trusted_certificates import trusted_certificates
from allclear.vendors.access import is_loopback, options_of, secret_of
from allclear.vendors.errors import VendorRequest, hidden, one_line
from allclear.vendors.http import ANSWER_SECONDS
from allclear.vendors.tls_errors import tls_problem

if TYPE_CHECKING:
    import aiosmtplib

ADDRESS = r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]+@[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)*"
"""An address as all mail servers take it: the part before the @ in ASCII, without quotes."""
MESSAGE_POLICY = SMTP_POLICY.clone(cte_type="7bit")
"""How messages are written: lines end as SMTP demands, and no byte is outside ASCII, for servers without 8BITMIME."""
_TLS_PORT, _STARTTLS_PORT = 465, 587
_IN_ALL = 2.0
"""How many times the longest wait for one answer a whole conversation may take; a tenth more for each recipient."""
_FOR_A_WHILE = range(400, 500)
_WRONG_LOGIN = frozenset({530, 534, 535, 538})
_NOT_ALLOWED = frozenset({530, 550, 551, 553, 554})
"""What servers answer to a sender that the account may not use."""


class EmailOptions(Model):
    """Who sends, and with which account."""

    from_address: str = Field(pattern=rf"^{ADDRESS}$", description="The sender's address, as incidents@acme.com.")
    from_name: str = Field(
        default="", pattern=r"^[^\r\n]*$", max_length=100, description="The sender's name, as people see it."
    )
    user: str = Field(default="", description="The account that logs in, if it is not the sender's address.")


@dataclass(frozen=True)
class Taken:
    """What the server said to one message."""

    refused: dict[str, str]
    """The addresses that it did not take, and why."""
    answer: str
    """Its own words about the message, which often hold its number there."""


@dataclass(frozen=True)
class _Place:
    """Where the server is, and how the connection to it is encrypted."""

    host: str
    port: int
    tls: bool
    """From the first byte."""
    starttls: bool


class Smtp:
    """Sends e-mail through one server, with one account and one sender's address."""

    system: ClassVar[str] = "email"
    options: ClassVar[type[Model]] = EmailOptions

    def __init__(
        self,
        place: _Place,
        secret: str,
        options: EmailOptions,
        *,
        seconds: float = ANSWER_SECONDS,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        """`seconds` is how long each answer may take; `tls` replaces the certificates that are trusted."""
        self.sender, self.sender_name = options.from_address, options.from_name
        self._place, self._secret = place, secret
        self._user = options.user or options.from_address
        self._seconds, self._tls = seconds, tls
        self._hide = _sent_as(self._user, secret)

    @classmethod
    def connect(cls, access: Access) -> Self:
        """Return a client; sends nothing yet. Raises ConfigError or MissingSecret."""
        return cls(_place_of(access), secret_of(access), options_of(access, EmailOptions))

    @property
    def domain(self) -> str:
        """Return the domain of the sender's address, in which we name our messages."""
        return self.sender.rpartition("@")[2].lower()

    async def close(self) -> None:
        """Do nothing: each message has a connection of its own, which ends with it."""

    async def send(self, message: EmailMessage, recipients: Sequence[str]) -> Taken:
        """Send one message to all `recipients`, and return whom the server refused.

        Raises VendorRefused if it took none of them, or refused the text. Raises Denied, Unreachable, AnswerLost.
        """
        request = VendorRequest("The mail server", "send an e-mail", write=True)
        stage = _Stage(request, self._hide)
        in_all = self._seconds * (_IN_ALL + len(recipients) / 10)
        async with stage, asyncio.timeout(in_all), self._session(stage) as session:
            stage.at = "sender"
            await session.mail(self.sender)
            stage.at = "recipients"
            refused: dict[str, str] = {}
            last: aiosmtplib.SMTPRecipientRefused | None = None
            for address in recipients:
                last = await self._recipient(session, address, refused) or last
            if len(refused) == len(recipients) and last is not None:
                raise stage.none_accepted(refused, last.code)
            stage.at = "text"
            answer = await session.data(message.as_bytes(policy=MESSAGE_POLICY))
            stage.at = "end"
        return Taken(refused, one_line(hidden(answer.message, *self._hide)))

    async def check(self) -> None:
        """Connect, log in, and ask whether the sender's address is accepted; sends nothing.

        Raises Denied, Unreachable, VendorRefused.
        """
        request = VendorRequest("The mail server", f"accept {self.sender} as the sender", write=False)
        stage = _Stage(request, self._hide)
        async with stage, asyncio.timeout(self._seconds * _IN_ALL), self._session(stage) as session:
            stage.at = "sender"
            await session.mail(self.sender)
            stage.at = "end"

    def _session(self, stage: _Stage) -> _Session:
        return _Session(self._place, self._user, self._secret, self._seconds, self._tls, stage)

    async def _recipient(
        self, session: aiosmtplib.SMTP, address: str, refused: dict[str, str]
    ) -> aiosmtplib.SMTPRecipientRefused | None:
        """Name one recipient to the server, and note in `refused` why it does not take it."""
        import aiosmtplib  # noqa: PLC0415 - only who sends e-mail pays for it

        try:
            await session.rcpt(address)
        except aiosmtplib.SMTPRecipientRefused as error:
            refused[address] = one_line(hidden(f"{error.code} {error.message}", *self._hide))
            return error
        return None


class _Session:
    """A connection to the server, logged in, for the length of an `async with` block."""

    def __init__(
        self, place: _Place, user: str, secret: str, seconds: float, tls: ssl.SSLContext | None, stage: _Stage
    ) -> None:
        self._place, self._user, self._secret, self._stage = place, user, secret, stage
        self._seconds, self._tls = seconds, tls
        self._server: aiosmtplib.SMTP | None = None

    async def __aenter__(self) -> aiosmtplib.SMTP:
        import aiosmtplib  # noqa: PLC0415 - only who sends e-mail pays for it

        place = self._place
        encrypted = place.tls or place.starttls
        self._server = server = aiosmtplib.SMTP(
            hostname=place.host,
            port=place.port,
            use_tls=place.tls,
            start_tls=False,  # below, because the library's error does not say that the server lacks it
            timeout=self._seconds,
            tls_context=(self._tls or trusted_certificates()) if encrypted else None,
        )
        try:
            await server.connect()
            if place.starttls:
                await self._encrypt(server)
            self._stage.at = "login"
            await server.login(self._user, self._secret)
        except BaseException:
            server.close()
            raise
        return server

    async def _encrypt(self, server: aiosmtplib.SMTP) -> None:
        """Upgrade the connection. Raises Unreachable if the server does not offer it; nothing secret was sent yet."""
        await server.ehlo()
        if not server.supports_extension("starttls"):
            raise self._stage.unencrypted()
        await server.starttls()

    async def __aexit__(self, kind: type[BaseException] | None, *_: object) -> None:
        """End the connection, politely if all went well. A goodbye that fails changes nothing about the message."""
        import aiosmtplib  # noqa: PLC0415 - only who sends e-mail pays for it

        if self._server is None:
            return
        try:
            if kind is None:
                await self._server.quit()
        except (aiosmtplib.SMTPException, OSError):
            pass
        finally:
            self._server.close()


class _Stage:
    """How far a conversation has got: it says what an error that ends it means."""

    def __init__(self, request: VendorRequest, secrets: Sequence[str]) -> None:
        self._request, self._secrets = request, secrets
        self.at = "connection"
        """connection, login, sender, recipients, text or end."""

    async def __aenter__(self) -> None:
        pass

    async def __aexit__(self, _: object, error: BaseException | None, __: object) -> None:
        if error is None or isinstance(error, AllclearError):
            return
        import aiosmtplib  # noqa: PLC0415 - only who sends e-mail pays for it

        if isinstance(error, aiosmtplib.SMTPResponseException):
            raise self._answered(error.code, error.message) from None
        if self.at == "connection" and (problem := tls_problem(error)):
            raise self._request.untrusted(problem) from None
        if isinstance(error, (aiosmtplib.SMTPException, OSError)):
            raise self._broken(self._reason(error)) from None

    def none_accepted(self, refused: dict[str, str], code: int) -> AllclearError:
        """Return the error for a message of which no recipient was taken."""
        reasons = "; ".join(f"{address} ({why})" for address, why in refused.items())
        return self._refusal(code, f"it accepts no recipient: {reasons}")

    def _answered(self, code: int, message: str) -> AllclearError:
        """Return the error for an answer that is a refusal."""
        reason = f"{code} {message}"
        wrong_login = self.at == "login" or code in _WRONG_LOGIN
        if code not in _FOR_A_WHILE and (wrong_login or (self.at == "sender" and code in _NOT_ALLOWED)):
            return self._request.denied(self._shown(reason))
        return self._refusal(code, reason)

    def unencrypted(self) -> AllclearError:
        """Return the error for a server that offers no STARTTLS."""
        error = self._request.unreachable("it offers no encryption with STARTTLS, and without it no password is sent")
        error.next_step = (
            "If it is encrypted from the first byte, write smtps://host:465 in systems.yaml. Otherwise ask those who "
            "run it to switch STARTTLS on."
        )
        return error

    def _refusal(self, code: int, reason: str) -> AllclearError:
        error = self._request.refused(self._shown(reason))
        error.passes = code in _FOR_A_WHILE
        return error

    def _broken(self, reason: str) -> AllclearError:
        """Return the error for a connection that ended: before the text nothing was sent, after it it may have been."""
        if self.at == "text":
            return self._request.answer_lost(reason)
        return self._request.unreachable(reason)

    def _reason(self, error: BaseException) -> str:
        import aiosmtplib  # noqa: PLC0415 - only who sends e-mail pays for it

        if isinstance(error, TimeoutError):
            return "no answer in time"
        if isinstance(error, aiosmtplib.SMTPServerDisconnected):
            return "the connection broke"
        if isinstance(error, aiosmtplib.SMTPNotSupported):
            return f"it does not offer what we need: {self._shown(str(error))}"
        return f"no connection: {self._shown(str(error))}"

    def _shown(self, text: str) -> str:
        return one_line(hidden(text, *self._secrets))


def _sent_as(user: str, secret: str) -> list[str]:
    """Return the password in each form in which a login sends it, because servers repeat what they refuse."""
    pair = f"\0{user}\0{secret}"
    return [secret, *(base64.b64encode(text.encode()).decode() for text in (pair, secret))]


def _place_of(access: Access) -> _Place:
    """Return where the server is. Raises ConfigError.

    A connection without encryption is for a simulated server on this machine only.
    """
    try:
        parts = urlsplit(access.endpoint)
        host, scheme = parts.hostname or "", parts.scheme
        port = parts.port or (_TLS_PORT if scheme == "smtps" else _STARTTLS_PORT)
        good = bool(host) and scheme in ("smtp", "smtps") and parts.path in ("", "/") and parts.username is None
    except ValueError:  # the library would quote an invalid port, which may be half a password
        good, host, scheme, port = False, "", "", 0
    if not good:
        raise ConfigError(
            f"The endpoint of the system {access.name} is not the address of a mail server.",
            "Write it in systems.yaml as smtps://host:465, or as smtp://host:587 for a server with STARTTLS.",
        ) from None
    plain = access.simulated and is_loopback(access.endpoint)
    return _Place(host, port, tls=scheme == "smtps", starttls=scheme == "smtp" and not plain)
