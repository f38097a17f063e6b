"""How refusals, broken connections and rate limits of an HTTP vendor become our errors."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta

import httpx
import pytest
from pydantic import SecretStr

from allclear.domain.action import Client
from allclear.domain.errors import (
    AllclearError,
    AnswerLost,
    ConfigError,
    Conflict,
    Denied,
    MissingSecret,
    NotFound,
    Unreachable,
    VendorRefused,
)
from allclear.domain.systems import Access
from allclear.vendors.access import is_loopback, options_of, redacted, secret_of, web_address
from allclear.vendors.cloud_logging import CloudLogs
from allclear.vendors.cloud_monitoring import CloudMetrics
from allclear.vendors.cloud_run.client import CloudRun
from allclear.vendors.errors import VendorRequest, seconds_to_wait
from allclear.vendors.http import HttpClient
from allclear.vendors.pagerduty import PagerDuty
from allclear.vendors.slack import Slack, SlackOptions, escape
from allclear.vendors.statuspage import Statuspage, StatuspageOptions
from allclear.vendors.supabase import SupabaseFlags, SupabaseOptions
from allclear.vendors.vercel import Vercel
from allclear.vendors.web import Web
from tests.patience import HUNG
from tests.unit.fakes_http import FakeVendor, Pauses

SECRET = "canary-3141592653"
READ = VendorRequest("Vendor", "read it", write=False)
WRITE = VendorRequest("Vendor", "change it", write=True)


def a_client(vendor: FakeVendor, pauses: Pauses | None = None) -> HttpClient:
    """Return a client of a fake vendor."""
    return HttpClient("Vendor", "https://vendor.test", secret=SECRET, transport=vendor, pause=pauses or Pauses())


def broken(kind: type[httpx.TransportError]) -> httpx.TransportError:
    """Return one of httpx's errors."""
    return kind("broken")


@pytest.mark.parametrize(
    ("answer", "on_write", "on_read"),
    [
        (httpx.Response(401, json={"message": "Bad key"}), Denied, Denied),
        (httpx.Response(403), Denied, Denied),
        (httpx.Response(404), VendorRefused, NotFound),
        (httpx.Response(410, json={"message": "v1 was removed"}), VendorRefused, VendorRefused),
        (httpx.Response(409), Conflict, Conflict),
        (httpx.Response(422, json={"errors": ["title is empty"]}), VendorRefused, VendorRefused),
        (httpx.Response(500), AnswerLost, Unreachable),
        (httpx.Response(503), AnswerLost, Unreachable),
        (broken(httpx.ConnectError), Unreachable, Unreachable),
        (broken(httpx.ConnectTimeout), Unreachable, Unreachable),
        (broken(httpx.ReadTimeout), AnswerLost, Unreachable),
        (broken(httpx.RemoteProtocolError), AnswerLost, Unreachable),
        (broken(httpx.WriteError), AnswerLost, Unreachable),
    ],
)
async def test_each_refusal_becomes_one_of_our_errors(
    answer: httpx.Response | httpx.TransportError, on_write: type[AllclearError], on_read: type[AllclearError]
) -> None:
    """A refused request changed nothing; an unanswered one may have. A write is sent once."""
    vendor = FakeVendor(answer)
    client = a_client(vendor)
    with pytest.raises(on_write) as write:
        await client.send(WRITE, "POST", "/x")
    sent = len(vendor.requests)
    with pytest.raises(on_read) as read:
        await client.send(READ, "GET", "/x")
    assert sent == 1
    assert (type(write.value), type(read.value)) == (on_write, on_read)


class Trickle(httpx.AsyncByteStream):
    """An answer without an end: a piece every second, so that no single read takes long."""

    def __init__(self, piece: bytes) -> None:
        self.piece = piece

    async def __aiter__(self) -> AsyncIterator[bytes]:
        """Yield the piece again and again."""
        while True:
            yield self.piece
            await asyncio.sleep(1)


@pytest.mark.parametrize("piece", [b" ", b" " * 4_000_000], ids=["slow", "large"])
async def test_an_answer_that_never_ends_is_given_up(piece: bytes) -> None:
    """A write may have taken effect, so its answer is lost; its act is reconciled and does not hang."""
    client = a_client(FakeVendor(lambda _: httpx.Response(200, stream=Trickle(piece))))
    async with asyncio.timeout(3 * 60):
        with pytest.raises(AnswerLost, match=r"no answer in time|too large"):
            await client.send(WRITE, "POST", "/x")
        with pytest.raises(Unreachable, match=r"no answer in time|too large"):
            await client.send(READ, "GET", "/x")


async def test_a_library_that_uses_our_connections_has_the_same_deadline() -> None:
    """Supabase's client makes its requests itself."""
    vendor = FakeVendor(lambda _: httpx.Response(200, stream=Trickle(b" ")))
    flags = SupabaseFlags("https://db.test", SECRET, SupabaseOptions(), vendor, Pauses())
    async with asyncio.timeout(3 * 60):
        with pytest.raises(Unreachable, match="no answer in time"):
            await flags.enabled("live_streams")


async def test_the_vendors_reason_is_told_without_the_secret_that_it_echoes() -> None:
    """A secret that a vendor quotes is hidden."""
    client = a_client(FakeVendor(httpx.Response(422, json={"error": {"message": f"No such key {SECRET}.", "code": 7}})))
    with pytest.raises(VendorRefused) as refused:
        await client.send(WRITE, "POST", "/x")
    assert "No such key …" in refused.value.message
    assert SECRET not in repr(refused.value) + repr(client)


async def test_a_read_is_retried_after_failures() -> None:
    """After two failures the third answer counts."""
    vendor = FakeVendor(broken(httpx.ReadError), httpx.Response(503), httpx.Response(200, json={"fine": True}))
    assert await a_client(vendor).send(READ, "GET", "/x") == {"fine": True}


async def test_a_rate_limited_write_waits_as_long_as_the_vendor_says() -> None:
    """A 429 did nothing, so the write may be sent again."""
    pauses = Pauses()
    vendor = FakeVendor(httpx.Response(429, headers={"retry-after": "3"}), httpx.Response(202, json={}))
    await a_client(vendor, pauses).send(WRITE, "POST", "/x")
    assert pauses.seconds == [3.0]


async def test_a_long_rate_limit_is_reported_to_a_person_instead() -> None:
    """We do not wait for a minute; the error says that nothing was done."""
    pauses = Pauses()
    with pytest.raises(VendorRefused, match="another 60 s") as refused:
        await a_client(FakeVendor(httpx.Response(429, headers={"retry-after": "60"})), pauses).send(WRITE, "POST", "/x")
    assert pauses.seconds == []
    assert refused.value.next_step.startswith("Nothing was done: try again after that, or")


async def test_a_rate_limit_of_unknown_length_says_when_to_try_again() -> None:
    """There is no duration in the sentence to which "after that" could refer."""
    with pytest.raises(VendorRefused, match="is limiting our requests and did not") as refused:
        await a_client(FakeVendor(*[httpx.Response(429)] * 3), Pauses()).send(WRITE, "POST", "/x")
    assert refused.value.next_step.startswith("Nothing was done: try again in a minute, or")


async def test_statuspage_answers_420_for_a_rate_limit() -> None:
    """Without Retry-After we wait for a second."""
    pauses = Pauses()
    vendor = FakeVendor(httpx.Response(420), httpx.Response(200, json=[]))
    page = Statuspage("https://api.statuspage.io", "abc", SECRET, transport=vendor, pause=pauses)
    assert (await page.find("VS-1")).incident is None
    assert pauses.seconds == [1.0]
    assert vendor.requests[0].headers["authorization"] == f"OAuth {SECRET}"
    assert SECRET not in repr(page)


def test_a_client_serves_a_second_event_loop() -> None:
    """Connections are made anew in each loop."""
    client = a_client(FakeVendor(httpx.Response(200, json={"fine": True})))

    async def once() -> object:
        found = await client.send(READ, "GET", "/x")
        await client.close()
        return found

    assert [asyncio.run(once()), asyncio.run(once())] == [{"fine": True}] * 2


async def test_a_post_without_a_connection_was_not_sent() -> None:
    """Slack's library distinguishes a refused connection from a lost answer, and so do we."""
    slack = Slack("http://127.0.0.1:9", SECRET, SlackOptions(channel="C0123456789"), pause=Pauses())
    with pytest.raises(Unreachable, match="nothing was changed") as unreachable:
        await slack.post("C0123456789", "text", {"key": "VS-1"})
    await slack.close()
    assert SECRET not in repr(unreachable.value) + repr(slack)


def test_untrusted_text_mentions_no_one_in_slack() -> None:
    """Mentions and links are shown as written."""
    assert escape("<!channel> a & b <https://x|y>") == "&lt;!channel&gt; a &amp; b &lt;https://x|y&gt;"


@pytest.mark.parametrize(
    ("header", "seconds"),
    [("5", 5.0), ("0", 0.0), (None, None), ("soon", None), ("Fri, 20 Nov 2020 03:00:00 GMT", 0.0)],
)
def test_retry_after_is_read_in_both_forms(header: str | None, seconds: float | None) -> None:
    """It holds seconds or a date; any other value is ignored."""
    assert seconds_to_wait(header) == seconds


def test_an_unknown_option_is_one_sentence_that_names_the_known_ones() -> None:
    """The wrong value is not repeated, because it may be a secret."""
    access = Access(name="statuspage", endpoint="https://x", options={"page": "abc", "token": SECRET})
    with pytest.raises(ConfigError) as unknown:
        options_of(access, StatuspageOptions)
    assert unknown.value.message == "The system statuspage has no option `token`."
    assert unknown.value.next_step == "Correct it in systems.yaml; the options are: page."
    assert SECRET not in repr(unknown.value)


def test_a_missing_or_impossible_secret_is_reported_before_anything_is_sent() -> None:
    """Otherwise the library's error would quote a key with a line break."""
    with pytest.raises(MissingSecret):
        secret_of(Access(name="slack", endpoint="https://x", secret=SecretStr(" ")))
    with pytest.raises(ConfigError) as impossible:
        secret_of(Access(name="slack", endpoint="https://x", secret=SecretStr(f"{SECRET}\nX: y")))
    assert SECRET not in str(impossible.value)


@pytest.mark.parametrize("endpoint", ["http://api.example.com", "ftp://127.0.0.1", "api.example.com", ""])
def test_a_secret_is_never_sent_unencrypted(endpoint: str) -> None:
    """Plain http is allowed for this machine and for simulations only."""
    with pytest.raises(ConfigError):
        web_address(Access(name="slack", endpoint=endpoint))


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("https://host.test/v1", "https://host.test/v1"),
        (f"https://u:{SECRET}@host.test:8443/v1?x={SECRET}", "https://host.test:8443/v1"),
        (f"https://{SECRET}@host.test#{SECRET}", "https://host.test"),
        (f"u:{SECRET}@host.test:443", "host.test:443"),
        (f"https://host.test?x=http://{SECRET}", "https://host.test"),
        (f"https://u:{SECRET}?{SECRET}@host.test", "https://…"),
        (f"https://u:{SECRET}/{SECRET}@host.test", "https://host.test"),
    ],
)
def test_an_address_is_shown_without_its_secrets(address: str, shown: str) -> None:
    """Neither a user's name, nor a password, nor a query."""
    assert redacted(address) == shown


@pytest.mark.parametrize(
    "vendor", [CloudRun, CloudMetrics, CloudLogs, PagerDuty, Slack, Statuspage, SupabaseFlags, Vercel]
)
async def test_no_client_shows_the_secret_of_its_endpoint(vendor: type[Client]) -> None:
    """Some people write a key into the address, and the repr of a client appears in logs and tracebacks."""
    endpoint = f"https://u:{SECRET}@127.0.0.1:1/v1?x={SECRET}"
    known: dict[str, dict[str, str]] = {
        "cloud_run": {"project": "vintstreet-prod", "region": "us-central1"},
        "statuspage": {"page": "abc"},
    }
    access = Access(
        name=vendor.system, endpoint=endpoint, secret=SecretStr("key"), options=known.get(vendor.system, {})
    )
    client = vendor.connect(access)
    told = repr(client)
    await client.close()
    assert SECRET not in told + repr(access)
    assert "127.0.0.1:1" in told


@pytest.mark.parametrize("endpoint", [f"https://u:{SECRET}/x@host.test", f"https://[u:{SECRET}@host.test"])
def test_an_endpoint_that_cannot_be_read_is_refused_without_being_quoted(endpoint: str) -> None:
    """The library would quote the half of the password that it takes for a port."""
    with pytest.raises(ConfigError) as refused:
        web_address(Access(name="slack", endpoint=endpoint))
    assert SECRET not in f"{refused.value!r} {refused.value} {refused.value.__cause__!r}"


@pytest.mark.parametrize("url", [f"http://u:{SECRET}/x@host.test", f"http://[u:{SECRET}@host.test"])
async def test_an_unreadable_service_address_is_reported_without_it(url: str) -> None:
    """A probe reports the problem and does not quote the address."""
    web = Web()
    answer = await web.send("GET", url, timeout=timedelta(seconds=HUNG))
    await web.close()
    assert (answer.status, answer.trouble) == (None, "its address cannot be read")


def test_loopback_addresses_are_recognised() -> None:
    """With and without scheme and port; similar names do not count."""
    assert all(is_loopback(a) for a in ("127.0.0.1:80", "http://localhost", "[::1]:50", "http://127.8.8.8:1/x"))
    assert not any(is_loopback(a) for a in ("https://localhost.example.com", "10.0.0.1:80", "run.googleapis.com"))


@pytest.mark.parametrize(("write", "unchanged"), [(True, "; nothing was changed."), (False, "removed.")])
def test_a_call_that_the_vendor_no_longer_has_asks_for_a_newer_allclear(write: bool, unchanged: str) -> None:  # noqa: FBT001
    """The name in systems.yaml is right, so people are not sent there."""
    error = VendorRequest("Supabase", "read the backups", write=write).error_for(410, "v1 was removed")
    assert isinstance(error, VendorRefused)
    assert error.message.startswith("Supabase no longer has the call that we use to read the backups: v1 was removed")
    assert error.message.endswith(unchanged)
    assert "Install a newer version of allclear" in error.next_step
