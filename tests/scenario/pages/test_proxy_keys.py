"""The keys of an identity proxy: whatever their address does, the responder goes on, and known keys count."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from allclear.company import Company
from allclear.domain.errors import NotAllowed
from allclear.responder.pages.proxy_keys import FETCH_AGAIN_AFTER, FRESH_FOR, PAUSE_AFTER_FAILURE, ProxyKeys
from allclear.settings import IAP_HEADER
from tests.patience import HUNG, until
from tests.scenario.pages.pages_support import asked
from tests.scenario.pages.test_identity_proxy import AUDIENCE, assertion, plan
from tests.scenario.response_support import vintstreet
from tests.unit.responder.responder_support import TOKEN

EC = ec.generate_private_key(ec.SECP256R1())


def jwk(name: str, **more: object) -> dict[str, Any]:
    """Return a public key as a JWK."""
    return json.loads(jwt.get_algorithm_by_name("ES256").to_jwk(EC.public_key())) | {"kid": name} | more


def answer(body: bytes, status: str = "200 OK", more: str = "") -> bytes:
    """Return an HTTP answer."""
    return f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\n{more}Connection: close\r\n\r\n".encode() + body


def key_set(*keys: dict[str, Any]) -> bytes:
    """Return the answer that a key address gives."""
    return answer(json.dumps({"keys": keys}).encode())


GOOD = key_set(jwk("k1"))


@dataclass
class Address:
    """A key address that answers what a test wants; None: it accepts the connection and says no more."""

    says: bytes | None = GOOD
    url: str = ""
    asked: int = 0
    open: set[asyncio.StreamWriter] = field(default_factory=set[asyncio.StreamWriter])

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer one request."""
        self.asked += 1
        self.open.add(writer)
        with suppress(ConnectionError, asyncio.IncompleteReadError):  # the client has gone
            await reader.readuntil(b"\r\n\r\n")
            if self.says is None:
                await reader.read()  # until the client has closed
            else:
                writer.write(self.says)
                await writer.drain()
        await closed(writer)
        self.open.discard(writer)


async def closed(writer: asyncio.StreamWriter) -> None:
    """Close a connection, and wait until it is closed."""
    writer.close()
    with suppress(ConnectionError):
        await writer.wait_closed()


@asynccontextmanager
async def address(says: bytes | None = GOOD) -> AsyncGenerator[Address]:
    """Yield a key address on this machine."""
    at = Address(says)
    server = await asyncio.start_server(at.serve, "127.0.0.1", 0)
    at.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/keys"
    try:
        yield at
    finally:
        server.close()
        for writer in list(at.open):
            writer.close()
        await until(lambda: not at.open)


class Seconds:
    """A clock of seconds, which a test sets."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        """Return the present second."""
        return self.now


BAD: dict[str, bytes] = {
    "a web page": answer(b"<html>proxy error</html>"),
    "nothing": answer(b""),
    "other bytes": answer(b"\xff\xfe\x00"),
    "no object": answer(b"[1, 2]"),
    "no list": answer(b'{"keys": 5}'),
    "no keys": answer(b'{"keys": []}'),
    "numbers for keys": answer(b'{"keys": [1, null, "x", [], {}]}'),
    "a key without its numbers": answer(b'{"keys": [{"kty": "EC", "kid": "k1"}]}'),
    "a key without a name": key_set({name: value for name, value in jwk("k1").items() if name != "kid"}),
    "a key to encrypt with": key_set(jwk("k1", use="enc")),
    "a secret key": answer(b'{"keys": [{"kty": "oct", "kid": "k1", "k": "c2VjcmV0"}]}'),
    "deep brackets": answer(b"[" * 50_000),
    "too many bytes": answer(b" " * 2_000_000 + b"{}"),
    "an error": answer(b"{}", "500 Internal Server Error"),
    "a redirect": answer(b"", "302 Found", "Location: http://127.0.0.1:1/\r\n"),
    "no HTTP": b"garbage\r\n\r\n",
    "half of it": GOOD[:-20],
    "a closed connection": b"",
}


@pytest.mark.parametrize("says", BAD.values(), ids=BAD)
async def test_known_keys_count_whatever_the_address_answers_later(says: bytes) -> None:
    """Before any key is known, the sentence names the setting, and the address is left alone for a pause."""
    seconds = Seconds()
    async with address(says) as at:
        keys = ProxyKeys(at.url, seconds, fetch_seconds=HUNG)
        for _ in range(3):
            with pytest.raises(NotAllowed, match="keys of the identity proxy cannot be read"):
                await keys.key("k1")
        assert at.asked == 1
        at.says, seconds.now = GOOD, seconds.now + PAUSE_AFTER_FAILURE
        assert await keys.key("k1") is not None
        at.says, seconds.now = says, seconds.now + FRESH_FOR + 1
        assert await keys.key("k1") is not None
        assert await keys.key("unknown") is None  # it waits for the fetch that has begun
        assert at.asked == 3
        assert await keys.key("k1") is not None
        at.says, seconds.now = key_set(jwk("k2")), seconds.now + PAUSE_AFTER_FAILURE
        assert await keys.key("k2") is not None
        assert await keys.key("k1") is None


async def test_a_fetch_ends_in_time_however_slowly_the_address_answers() -> None:
    """One that says nothing, and one of which a byte comes now and then, which starts a time limit per read anew."""
    async with address(None) as at:
        keys = ProxyKeys(at.url, Seconds(), fetch_seconds=0.05)
        with pytest.raises(NotAllowed, match="cannot be read"):
            await keys.key("k1")

    done = asyncio.Event()

    async def trickle(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            for one in GOOD * 100:
                writer.write(bytes([one]))
                await writer.drain()
                await asyncio.sleep(0.01)
        except ConnectionError:
            await closed(writer)
            done.set()

    server = await asyncio.start_server(trickle, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/keys"
    with pytest.raises(NotAllowed, match="cannot be read"):
        await ProxyKeys(url, Seconds(), fetch_seconds=0.3).key("k1")
    await done.wait()
    server.close()


async def test_names_that_no_key_has_fetch_at_most_once_a_minute() -> None:
    """Anyone can send such a name, and a key that a proxy has made is found a minute later at the latest."""
    seconds = Seconds()
    async with address() as at:
        keys = ProxyKeys(at.url, seconds, fetch_seconds=HUNG)
        assert await keys.key("k1") is not None
        at.says = key_set(jwk("k1"), jwk("new"))
        assert [await keys.key(name) for name in ("a", "b", "new")] == [None, None, None]
        assert at.asked == 1
        seconds.now += FETCH_AGAIN_AFTER
        assert await keys.key("new") is not None
        assert at.asked == 2


async def test_a_key_address_that_hangs_holds_up_neither_alerts_nor_commands(tmp_path: Path) -> None:
    """However many requests carry a made-up assertion: they wait for one fetch, and take nothing that others need."""
    known = vintstreet()
    company = Company(
        known.name, known.folder, plan(), known.systems, known.runbooks, known.templates, known.post_mortem
    )
    async with address(None) as at:
        settings: dict[str, Any] = {
            "proxy_audience": AUDIENCE,
            "proxy_issuer": "https://login.example",
            "proxy_keys_url": at.url,
        }
        async with asked(tmp_path, company=company, **settings) as (there, _), there.browser() as http:
            made_up = [
                asyncio.create_task(http.get(f"/i/{there.id}", headers={IAP_HEADER: assertion(kid=f"k{number}")}))
                for number in range(40)
            ]
            await until(lambda: at.asked == 1)
            alert = await http.post(
                "/alerts/json", json={"key": "p", "title": "Slow"}, headers={"Authorization": f"Bearer {TOKEN}"}
            )
            ana = {"Authorization": f"Bearer {there.engine.tokens.for_person('Ana Ruiz', None)}"}
            acknowledged = await http.post(f"/incidents/{there.id}/acknowledge", json={}, headers=ana)
            listed = await http.get("/incidents", headers=ana)
            assert (alert.status_code, acknowledged.status_code, listed.status_code) == (202, 200, 200)
            assert (at.asked, len(at.open)) == (1, 1)
            next(iter(at.open)).close()
            answers: list[httpx.Response] = await asyncio.gather(*made_up)
            assert {one.status_code for one in answers} == {401}
            assert at.asked == 1
