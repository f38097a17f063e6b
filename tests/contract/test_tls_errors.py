"""Encrypted connections to every HTTP vendor and to a mail server: a bad certificate or a hang is one sentence.

Nothing secret leaves this machine before the certificate was accepted.
"""

from __future__ import annotations

import importlib
import pkgutil
import re
import ssl
from collections.abc import AsyncGenerator, Iterator
from contextlib import asynccontextmanager
from datetime import timedelta
from email.message import EmailMessage
from typing import Any

import pytest
from pydantic import SecretStr

from allclear import vendors
from allclear.domain.action import Client
from allclear.domain.errors import Unreachable
from allclear.domain.systems import Access
from allclear.simulator.event_log import utc_now
from allclear.simulator.mail_server import MailServer
from allclear.simulator.world import World
from allclear.trusted_certificates import trusted_certificates
from allclear.vendors.convex import Convex
from allclear.vendors.errors import VendorRequest
from allclear.vendors.github import Github
from allclear.vendors.http import OverHttp
from allclear.vendors.jira import Jira
from allclear.vendors.pagerduty import PagerDuty
from allclear.vendors.pagerduty_rest import PagerDutyRest
from allclear.vendors.slack import Slack
from allclear.vendors.smtp import Smtp
from allclear.vendors.statuspage import Statuspage
from allclear.vendors.supabase import SupabaseFlags
from allclear.vendors.supabase_management import SupabaseManagement
from allclear.vendors.teams import Teams, TeamsOptions
from allclear.vendors.tls_errors import NEXT_STEP
from allclear.vendors.twilio import Twilio
from allclear.vendors.vercel import Vercel
from allclear.vendors.web import Web
from tests.contract.simulator_support import quick
from tests.contract.tls_support import BAD, HERE, Certificates, listening, stalling_mail_server
from tests.patience import HUNG

SECRET = "canary-3141592653"
OPTIONS: dict[type[Client], dict[str, Any]] = {
    Convex: {},
    Github: {},
    Jira: {"project": "INC", "email": "ana@example.com"},
    PagerDuty: {},
    PagerDutyRest: {"service": "PSERVICE", "requester": "ana@example.com"},
    Slack: {"channel": "C0123456789"},
    Statuspage: {"page": "abc"},
    SupabaseFlags: {},
    SupabaseManagement: {},
    Teams: {},
    Twilio: {"account": f"AC{'5' * 32}", "number": "+15005550006"},
    Vercel: {},
}
SENDER = "incidents@vintstreet.com"


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    """The authority of this file's tests."""
    return Certificates(tmp_path_factory.mktemp("certificates"))


@pytest.fixture(autouse=True)
def trusted(monkeypatch: pytest.MonkeyPatch, certificates: Certificates) -> Iterator[None]:
    """Trust the tests' authority as the sentence about a refused certificate says."""
    monkeypatch.setenv("SSL_CERT_FILE", str(certificates.authority))
    trusted_certificates.cache_clear()
    yield
    trusted_certificates.cache_clear()


def client_of(vendor: type[Client], port: int) -> Client:
    """Return a vendor's client for a server on this machine."""
    address = f"https://{HERE}:{port}"
    if vendor is Teams:  # `connect` accepts Microsoft's hosts only
        return Teams(f"{address}/workflows/1?sig={SECRET}", TeamsOptions())
    access = Access(name=vendor.system, endpoint=address, secret=SecretStr(SECRET), options=OPTIONS[vendor])
    return vendor.connect(access)


async def ask(client: Client, *, write: bool = True) -> object:
    """Send one request through the connection that all requests of the client use."""
    assert isinstance(client, OverHttp)
    http = client._http  # noqa: SLF001  # pyright: ignore[reportPrivateUsage] - the one mechanism of all
    return await http.send(VendorRequest(http.vendor, "answer", write=write), "POST", "/x", json={})


def test_every_client_over_http_is_tested_here() -> None:
    """A new vendor's client is added to `OPTIONS`."""
    for module in pkgutil.iter_modules(vendors.__path__, f"{vendors.__name__}."):
        importlib.import_module(module.name)
    assert {one for one in OverHttp.__subclasses__() if one.__module__.startswith(vendors.__name__)} == set(OPTIONS)


@pytest.mark.parametrize("vendor", OPTIONS)
async def test_a_vendor_with_a_bad_certificate_gets_no_secret(vendor: type[Client], certificates: Certificates) -> None:
    """The sentence says what is wrong with it, and that nothing was changed. A good one is accepted."""
    async with listening(certificates.server("expired")) as bad, listening(certificates.server()) as good:
        client = client_of(vendor, bad.port)
        with pytest.raises(Unreachable, match=r"to answer \(its certificate has expired\); nothing was changed") as no:
            await ask(client)
        await client.close()
        assert bad.heard == b""
        assert no.value.next_step == NEXT_STEP
        assert SECRET not in str(no.value)
        client = client_of(vendor, good.port)
        assert await ask(client) == {}
        await client.close()
        assert good.heard


@pytest.mark.parametrize("vendor", OPTIONS)
async def test_a_handshake_that_hangs_ends(vendor: type[Client], monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing was sent, so the next way can be used at once."""
    monkeypatch.setattr("allclear.vendors.http.CONNECT_SECONDS", 0.05)
    async with listening(None) as silent:
        client = client_of(vendor, silent.port)
        with pytest.raises(Unreachable, match=r"no connection within .*; nothing was changed"):
            await ask(client)
        await client.close()
        assert SECRET.encode() not in silent.heard


@pytest.mark.parametrize("kind", BAD)
async def test_each_bad_certificate_has_its_words(kind: str, certificates: Certificates) -> None:
    """Also for a probe, which reports what users meet. A refused certificate is not tried again."""
    async with listening(certificates.server(kind)) as server:
        client = client_of(Statuspage, server.port)
        with pytest.raises(Unreachable) as refused:
            await ask(client, write=False)
        await client.close()
        assert refused.value.message == f"Statuspage could not be reached to answer ({BAD[kind]})."
        web = Web()
        answer = await web.send("GET", f"https://{HERE}:{server.port}/", timeout=timedelta(seconds=HUNG))
        await web.close()
        assert (answer.status, answer.trouble) == (None, BAD[kind])


# --- the mail server ------------------------------------------------------------------------------------------


def mail_client(address: str) -> Smtp:
    """Return a client with the right password, for which the server is no simulated one."""
    options = {"from_address": SENDER}
    return Smtp.connect(Access(name="email", endpoint=address, secret=SecretStr(SECRET), options=options))


@asynccontextmanager
async def mail_server(tls: ssl.SSLContext | None) -> AsyncGenerator[tuple[World, Smtp]]:
    """Run a mail server with or without a certificate; yield what it takes, and a client of it."""
    world = World(quick(), utc_now)
    server = MailServer(world, SECRET, tls)
    try:
        yield world, mail_client(await server.start())
    finally:
        await server.stop()
        world.close()


def message() -> EmailMessage:
    """Return a short message."""
    mail = EmailMessage()
    mail["From"], mail["To"], mail["Subject"] = SENDER, "ana@vintstreet.com", "A test"
    mail.set_content("Nothing is to be done.")
    return mail


async def test_a_mail_server_is_upgraded_with_starttls_before_the_login(certificates: Certificates) -> None:
    """The server takes no login without encryption, and the preflight takes the same way."""
    async with mail_server(certificates.server()) as (world, client):
        await client.check()
        taken = await client.send(message(), ["ana@vintstreet.com"])
        assert taken.refused == {}
        assert [mail.recipients for mail in world.mails] == [("ana@vintstreet.com",)]


@pytest.mark.parametrize("kind", BAD)
async def test_a_mail_server_with_a_bad_certificate_gets_no_password(kind: str, certificates: Certificates) -> None:
    """One sentence says what is wrong with the certificate, the other one what to do."""
    async with mail_server(certificates.server(kind)) as (world, client):
        with pytest.raises(Unreachable) as refused:
            await client.send(message(), ["ana@vintstreet.com"])
        assert refused.value.message == (
            f"The mail server could not be reached to send an e-mail ({BAD[kind]}); nothing was changed."
        )
        assert refused.value.next_step == NEXT_STEP
        assert world.mails == []
        methods = {entry["method"] for entry in world.event_log.entries() if entry.get("api") == "email"}
        assert methods <= {"connect"}


@pytest.mark.parametrize("kind", BAD)
async def test_a_mail_server_that_is_encrypted_from_the_first_byte(kind: str, certificates: Certificates) -> None:
    """The same certificates are refused on the port of smtps."""
    async with listening(certificates.server(kind)) as server:
        with pytest.raises(Unreachable, match=re.escape(f"({BAD[kind]})")) as refused:
            await mail_client(f"smtps://{HERE}:{server.port}").check()
        assert refused.value.next_step == NEXT_STEP
        assert server.heard == b""


async def test_a_server_without_encryption_is_refused_in_words_and_told_no_password() -> None:
    """A man in the middle takes the offer of STARTTLS out; a web server speaks no TLS on the port of smtps."""
    async with mail_server(None) as (world, client):
        with pytest.raises(Unreachable, match="offers no encryption with STARTTLS") as refused:
            await client.send(message(), ["ana@vintstreet.com"])
        assert "smtps://host:465" in refused.value.next_step
        assert not [entry for entry in world.event_log.entries() if entry.get("method") == "login"]
    async with stalling_mail_server() as plain:
        with pytest.raises(Unreachable, match="no encrypted connection could be agreed on") as refused:
            await mail_client(f"smtps://{HERE}:{plain.port}").check()
        assert refused.value.next_step == NEXT_STEP


@pytest.mark.parametrize("scheme", ["smtp", "smtps"])
async def test_a_handshake_of_a_mail_server_that_hangs_ends(scheme: str) -> None:
    """Nothing was sent, so the next way is used."""
    async with stalling_mail_server() if scheme == "smtp" else listening(None) as silent:
        client = mail_client(f"{scheme}://{HERE}:{silent.port}")
        client._seconds = 0.2  # noqa: SLF001  # pyright: ignore[reportPrivateUsage] - only tests choose the moment
        with pytest.raises(Unreachable, match=r"no answer in time\); nothing was changed"):
            await client.send(message(), ["ana@vintstreet.com"])
        assert not [one for one in (b"AUTH", SECRET.encode()) if one in silent.heard]
