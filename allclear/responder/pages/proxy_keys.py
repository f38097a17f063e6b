"""The public keys of an identity proxy: fetched when they are needed, and kept while their address is away.

Every client can make the responder ask for a key, because the name of the key is read before the signature. So one
fetch is in progress at most, it has a limit of time and of bytes, it takes no thread, and a failed one is followed by
a pause. Requests meanwhile wait for that one fetch, or are refused at once in the pause.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterator
from time import monotonic
from typing import TYPE_CHECKING, cast

from allclear.domain.base import JsonDict
from allclear.domain.errors import NotAllowed
from allclear.responder import strict_json
from allclear.vendors.http import HttpClient

if TYPE_CHECKING:
    from jwt import PyJWK

log = logging.getLogger("allclear.responder")

ALGORITHMS = ("ES256", "ES384", "ES512", "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "EdDSA")
"""All are asymmetric: with a symmetric one, the public key would be the secret."""

FETCH_SECONDS = 10.0
"""The longest time of one fetch, from the connection to the last byte."""

PAUSE_AFTER_FAILURE = 10.0
"""Seconds without a fetch after one that failed."""

FETCH_AGAIN_AFTER = 60.0
"""Seconds until the keys are fetched again for a key that is not known: a proxy replaces its keys."""

FRESH_FOR = 3600.0
"""Seconds after which the keys are fetched again in any case. Meanwhile, and if that fails, the known ones count."""

_LARGEST = 1_000_000
"""Bytes of a set of keys."""
_MOST = 100
"""Keys in a set."""


class ProxyKeys:
    """The keys of one proxy. Used on one event loop."""

    def __init__(
        self, url: str, seconds: Callable[[], float] = monotonic, *, fetch_seconds: float = FETCH_SECONDS
    ) -> None:
        """`seconds` is a clock that never goes back; `fetch_seconds` is the longest time of one fetch."""
        self._url = url
        self._seconds = seconds
        self._fetch_seconds = fetch_seconds
        self._client = HttpClient("identity proxy", url)
        self._keys: dict[str, PyJWK] = {}
        self._fetched_at = 0.0
        self._not_before = 0.0
        """The moment before which no further fetch begins."""
        self._fetch: asyncio.Task[None] | None = None

    async def key(self, name: str) -> PyJWK | None:
        """Return the key of that name; None if the proxy has none. Raises NotAllowed if no key is known at all."""
        known = self._keys.get(name)
        if known is not None:
            if self._seconds() - self._fetched_at > FRESH_FOR:
                self._begin_fetch()
            return known
        fetch = self._begin_fetch()
        if fetch is not None:
            await asyncio.wait({fetch})  # a client that disconnects does not stop the fetch
        if not self._keys:
            raise NotAllowed(
                "The keys of the identity proxy cannot be read, so no one can be recognised by it.",
                "Open your personal link. Test the address in ALLCLEAR_PROXY_KEYS_URL.",
            )
        return self._keys.get(name)

    def _begin_fetch(self) -> asyncio.Task[None] | None:
        """Return the fetch in progress, which is begun if there is none; None in the pause after the last one."""
        if self._fetch is None and self._seconds() >= self._not_before:
            self._fetch = asyncio.create_task(self._fetch_once())
        return self._fetch

    async def _fetch_once(self) -> None:
        pause = PAUSE_AFTER_FAILURE
        try:
            await self._client.warm()
            async with asyncio.timeout(self._fetch_seconds):
                self._keys = dict(_usable(await self._read()))
            self._fetched_at, pause = self._seconds(), FETCH_AGAIN_AFTER
        except Exception as error:  # noqa: BLE001 - whatever the address answers, the known keys count
            kept = "The keys that are known still count" if self._keys else "The proxy identifies no one until then"
            log.warning(
                "The keys of the identity proxy could not be read (%s); will retry in %.0f s at the earliest. %s.",
                str(error) or type(error).__name__,
                pause,
                kept,
            )
        finally:
            self._not_before = self._seconds() + pause
            self._fetch = None

    async def _read(self) -> bytes:
        """Return what the address answers. Raises httpx.HTTPError, OSError, ValueError."""
        try:
            response = await self._client.pool.get(self._url, timeout=self._fetch_seconds)
        finally:
            await self._client.close()  # the next fetch is an hour away
        if not response.is_success:
            msg = f"status {response.status_code}"
            raise ValueError(msg)
        return response.content


def _usable(content: bytes) -> Iterator[tuple[str, PyJWK]]:
    """Yield the names and keys of a JWK set. Raises ValueError if it is none, or has no key that can be used."""
    import jwt  # noqa: PLC0415 - only a proxy needs it

    if len(content) > _LARGEST:
        msg = f"more than {_LARGEST} bytes"
        raise ValueError(msg)
    read = strict_json.decode(content)
    listed = cast("JsonDict", read).get("keys") if isinstance(read, dict) else None
    if not isinstance(listed, list):
        msg = "no JWK set"
        raise ValueError(msg)  # noqa: TRY004 - it is what was received
    found = False
    for one in cast("list[object]", listed)[:_MOST]:
        name = cast("JsonDict", one).get("kid") if isinstance(one, dict) else None
        if not isinstance(name, str) or not name or cast("JsonDict", one).get("use", "sig") != "sig":
            continue
        try:
            key = jwt.PyJWK.from_dict(cast("JsonDict", one))
        except (jwt.PyJWTError, ValueError, TypeError, KeyError, AttributeError):  # another kind, or not complete
            continue
        if key.algorithm_name in ALGORITHMS:
            found = True
            yield name, key
    if not found:
        msg = "no key that can be used"
        raise ValueError(msg)
