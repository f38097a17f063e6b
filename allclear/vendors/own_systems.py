"""A company's own systems with an HTTP interface, for which there is no client of their own.

The system `http` in systems.yaml is the first of them; its option `hosts` names further ones. Each has a secret, which
an environment variable holds. Requests go over https only, follow no redirect (one after a write may mean that it took
effect), and take at most 15 s and a megabyte.
A simulated production stands for all of them, so that a rehearsal never reaches a real one.

Source: RFC 6901 (JSON pointers); draft-ietf-httpapi-idempotency-key-header, 2025: a system may use the key, and
nothing here relies on that.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Self, cast
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field

from allclear.domain.base import Model, Slug
from allclear.domain.errors import AllclearError, ConfigError
from allclear.domain.systems import Access, Misfit, System
from allclear.vendors.access import options_of, secret_of, web_address
from allclear.vendors.errors import VendorRequest
from allclear.vendors.http import Expected, HttpClient

if TYPE_CHECKING:
    import httpx

_DONE_ELSEWHERE = frozenset({301, 302, 303})
"""Redirects with which web applications answer a request that they have carried out. RFC 9110, 15.4: 307 and 308 ask
for the same request at another address, so with these it was not carried out."""
LARGEST_ANSWER = 1_000_000
"""The most bytes of an answer: a switch needs a few."""
_READ = Expected(frozenset({200}))
_TOKEN = r"^[A-Za-z0-9-]+$"  # noqa: S105 - the form of a header's name
_INDEX = re.compile(r"0|[1-9][0-9]*")


def _https(address: str) -> str:
    parts = urlsplit(address)
    try:
        good = parts.scheme == "https" and bool(parts.hostname) and parts.port != 0
    except ValueError:
        good = False
    if not good or parts.username or parts.query or parts.fragment:
        # The address is not repeated, because some people write a key into it.
        msg = "it must be an address as https://host, without a user, a query or a key"
        raise ValueError(msg)
    return address.rstrip("/")


class OwnHost(Model):
    """A further system of the company's own: its address, and how its secret is sent."""

    endpoint: Annotated[str, AfterValidator(_https)] = Field(description="Its address, as https://host.")
    header: str = Field(default="Authorization", pattern=_TOKEN, description="The header that carries the secret.")
    scheme: str = Field(default="Bearer", pattern=r"^[A-Za-z]*$", description="What precedes it; empty for nothing.")


class OwnSystemsOptions(Model):
    """A company's own systems, each with its address and how its secret is sent."""

    header: str = Field(default="Authorization", pattern=_TOKEN, description="The header that carries the secret.")
    scheme: str = Field(default="Bearer", pattern=r"^[A-Za-z]*$", description="What precedes it; empty for nothing.")
    hosts: dict[Slug, OwnHost] = Field(
        default={}, description="Further systems by a short name; `secrets` has the secret of each under that name."
    )


class OwnSystems:
    """Reads and changes values in the company's own systems, as a switch in systems.yaml says."""

    system: ClassVar[str] = "http"
    options: ClassVar[type[Model]] = OwnSystemsOptions

    def __init__(self, hosts: Mapping[str, HttpClient]) -> None:
        """`hosts` has the client of each system; the first one under the empty name."""
        self._hosts = hosts

    def __repr__(self) -> str:
        """Return the addresses without their secrets."""
        return f"OwnSystems({list(self._hosts.values())!r})"

    @classmethod
    def connect(cls, access: Access, transport: httpx.AsyncBaseTransport | None = None) -> Self:
        """Return a client; sends nothing yet. Raises ConfigError or MissingSecret."""
        options = options_of(access, OwnSystemsOptions)
        first = OwnHost.model_construct(endpoint=web_address(access), header=options.header, scheme=options.scheme)
        hosts = {"": _client(first, secret_of(access), transport)}
        for name, host in options.hosts.items():
            own = access.model_copy(
                update={"name": f"http, host {name}", "endpoint": host.endpoint, "secret": access.more.get(name)}
            )
            if access.simulated:
                own = own.model_copy(update={"endpoint": access.endpoint, "secret": access.secret})
            address = host.model_copy(update={"endpoint": web_address(own)})
            hosts[name] = _client(address, secret_of(own), transport)
        return cls(hosts)

    @classmethod
    def further_secrets_of(cls, system: System) -> Mapping[str, str]:
        """Return the names that `secrets` may have, each with what it is for."""
        hosts: object = system.options.get("hosts")
        return {
            name: f"the secret of {name}" for name in cast("dict[str, Any]", hosts if isinstance(hosts, dict) else {})
        }

    @classmethod
    def misfits(cls, system: System) -> Iterator[Misfit]:
        """Yield what is wrong with the system in systems.yaml: addresses, and hosts without a secret."""
        try:
            _https(system.endpoint)
        except ValueError as error:
            yield Misfit(("endpoint",), f"The endpoint of the system `http` cannot be used: {error}.", "Correct it.")
        step = "Name the environment variable that holds it"
        if not system.secret:
            yield Misfit((), "The system `http` has no secret.", f"{step}: `secret: ADMIN_API_KEY`.")
        for name in cls.further_secrets_of(system):
            if name not in system.secrets:
                place, sentence = ("hosts", name), f"The host `{name}` of the system `http` has no secret."
                yield Misfit(place, sentence, f"{step}: `secrets: {{{name}: {name.upper().replace('-', '_')}_KEY}}`.")

    async def close(self) -> None:
        """Release the connections."""
        for host in self._hosts.values():
            await host.close()

    async def value(self, host: str, path: str, pointer: str, purpose: str) -> object:
        """Return the value at a JSON pointer of what a GET answers. Raises VendorError, ConfigError.

        An answer without that value counts as one that did not come from this system.
        """
        client = self._host(host)
        request = VendorRequest(client.vendor, purpose, write=False)
        answer = await client.send(request, "GET", path, expected=_READ)
        try:
            return value_at(answer, pointer)
        except LookupError:
            raise request.not_from_vendor(200, f"JSON without a value at {pointer}") from None

    async def write(self, host: str, method: str, path: str, *, json: object, purpose: str, key: str) -> None:
        """Send one write; `key` is the same for one act. Raises VendorError, ConfigError."""
        client = self._host(host)
        request = VendorRequest(client.vendor, purpose, write=True, headers={"Idempotency-Key": key})
        await client.send(request, method, path, json=json)

    def _host(self, name: str) -> HttpClient:
        if name not in self._hosts:
            known = ", ".join(one for one in self._hosts if one) or "none"
            raise ConfigError(f"The system `http` has no host `{name}`.", f"Its `hosts` in systems.yaml are: {known}.")
        return self._hosts[name]


def _client(host: OwnHost, secret: str, transport: httpx.AsyncBaseTransport | None) -> HttpClient:
    name = urlsplit(host.endpoint).hostname or host.endpoint
    headers = {host.header: f"{host.scheme} {secret}".strip(), "Accept": "application/json"}
    return HttpClient(
        name,
        host.endpoint,
        headers=headers,
        secret=secret,
        transport=transport,
        refused=_perhaps_done,
        largest=LARGEST_ANSWER,
    )


def _perhaps_done(request: VendorRequest, response: httpx.Response, _: object) -> AllclearError | None:
    """Return the error for a redirect that may follow a write which took effect: only a read can tell."""
    if not (request.write and response.status_code in _DONE_ELSEWHERE):
        return None
    return request.answer_lost(f"it answered {response.status_code}, a redirect, and we follow none")


def value_at(answer: object, pointer: str) -> object:
    """Return the value that a JSON pointer names in `answer`. Raises LookupError if there is none."""
    found = answer
    for part in pointer.split("/")[1:]:
        name = part.replace("~1", "/").replace("~0", "~")
        if isinstance(found, dict) and name in found:
            found = cast("dict[str, object]", found)[name]
        elif isinstance(found, list) and _INDEX.fullmatch(name) and int(name) < len(cast("list[object]", found)):
            found = cast("list[object]", found)[int(name)]
        else:
            raise LookupError(pointer)
    return found
