"""Microsoft Teams: posts a card in one channel, through a webhook of the Workflows app.

Source: learn.microsoft.com, "Create incoming webhooks with Workflows for Microsoft Teams" and "Microsoft Teams
connector", read 2026-11:
- `POST` to the flow's address with `{"type": "message", "attachments": [card]}`. **202 says that the flow was started**
  and no more: a card that Teams refuses, a channel that is gone or an owner who left fails inside the flow, unseen.
- The address ends in `sig=…`, so that everyone who has it can post: the whole address is the secret. Its host is under
  `environment.api.powerplatform.com`, in older flows under `logic.azure.com`.
- The connectors of Office 365, at `webhook.office.com`, were retired by May 2026.
- A message has at most about 28 KB. A webhook has no idempotency key, and can read, change or delete no message.

Source: answers that other people's public clients and guides quote, read 2026-11; Microsoft documents none of them:
- 400 `WorkflowTriggerIsNotEnabled`: the flow is off, or was deleted (then the answer names the state `Deleted`). Once
  deleted it never comes back under its address. 404 `WorkflowNotFound`: it is gone.
- 401 `DirectApiAuthorizationRequired`: the trigger's *Who can trigger the flow?* is not *Anyone*. The address of such a
  flow has no `sig`, and changing it makes another address.
- 400 `TriggerInputSchemaMismatch`: the flow was changed and expects a body of another form.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, ClassVar, Self, cast
from urllib.parse import SplitResult, parse_qs, urlsplit

from pydantic import Field

from allclear.domain.base import JsonDict, Model
from allclear.domain.errors import AllclearError, ConfigError, Denied
from allclear.domain.systems import Access, Misfit, System
from allclear.vendors.access import is_loopback, options_of, secret_of, web_address
from allclear.vendors.errors import VendorRequest
from allclear.vendors.http import Expected, HttpClient, OverHttp, Pause

if TYPE_CHECKING:
    import httpx

LARGEST = 27_000
"""Bytes of a message, below Teams' limit of about 28 KB."""
HOSTS = ("environment.api.powerplatform.com", "logic.azure.com")
_HOST = re.compile(r"[a-z0-9-]+(\.[a-z0-9-]+)+")
"""A host without signs that one program takes for the end of it and another one does not."""
RETIRED = "webhook.office.com"
_GUIDE = "docs/how-to/teams.md"
GUIDE = f"Make a flow and set its address: {_GUIDE}."
_SIMULATED_QUERY = "?api-version=1&sp=%2Ftriggers%2Fmanual%2Frun&sv=1.0&sig="
_FLOW_AWAY = frozenset({401, 403, 404, 410})
_FLOW_OFF = "WorkflowTriggerIsNotEnabled"
_NOT_FOR_ANYONE = "DirectApiAuthorizationRequired"
_OTHER_FORM = "TriggerInputSchemaMismatch"
_ANYONE = "In the flow's trigger, set *Who can trigger the flow?* to *Anyone*, and copy the address again"
_STARTED = Expected(frozenset({202}), dict | None)


class TeamsOptions(Model):
    """Where the flow posts, as people call it."""

    channel: str = Field(default="Incidents", min_length=1, description="The channel's name, for sentences.")


class Teams(OverHttp):
    """Posts in the one channel of one flow."""

    system: ClassVar[str] = "teams"
    options: ClassVar[type[Model]] = TeamsOptions

    def __init__(
        self,
        address: str,
        options: TeamsOptions,
        transport: httpx.AsyncBaseTransport | None = None,
        pause: Pause = asyncio.sleep,
    ) -> None:
        """`address` is the flow's whole address, with its signature."""
        self.channel = options.channel
        parts = urlsplit(address)
        self._path = f"{parts.path}?{parts.query}"
        self._http = HttpClient(
            "Teams",
            f"{parts.scheme}://{parts.netloc}",
            secret=address,
            more_secrets=[self._path, *_signatures(parts.query)],
            transport=transport,
            pause=pause,
            refused=_refused,
        )

    @classmethod
    def connect(cls, access: Access) -> Self:
        """Return a client; sends nothing yet. The secret is the flow's address. Raises ConfigError or MissingSecret."""
        options = options_of(access, TeamsOptions)
        if access.simulated:
            endpoint = web_address(access)
            if not is_loopback(endpoint):
                raise ConfigError("The simulated Teams is not on this machine.", "Start the simulation here.")
            return cls(f"{endpoint}{_SIMULATED_QUERY}{secret_of(access)}", options)
        return cls(_checked(access), options)

    @classmethod
    def misfits(cls, system: System) -> Iterator[Misfit]:
        """Yield what is wrong with the host that systems.yaml names."""
        problem = _host_problem(_host_of(system.endpoint))
        if problem:
            yield Misfit(("endpoint",), problem, GUIDE)

    async def post(self, message: JsonDict) -> None:
        """Start the flow with a message of at most LARGEST bytes. Raises Denied if the flow is off or gone.

        Nothing shows whether the message appears, and a second call posts it again.
        """
        request = VendorRequest("Teams", f"post in {self.channel}", write=True)
        await self._http.send(request, "POST", self._path, json=message, expected=_STARTED)


def _checked(access: Access) -> str:
    """Return the flow's address from the secret. Raises ConfigError, which never quotes it, or MissingSecret."""
    address, host = secret_of(access), _host_of(access.endpoint)
    parts = _https_parts(address)
    if parts is None or not parts.hostname:
        raise ConfigError("The secret of the system teams is no https:// address.", GUIDE)
    problem = _host_problem(parts.hostname)
    if problem:
        raise ConfigError(problem, GUIDE)
    if not _signatures(parts.query):
        raise ConfigError(
            "The address in the secret of the system teams has no `sig=`, so it is not whole.",
            "Copy the whole address, and put it in quotes where you set the variable, because it contains `&`. "
            f"If Teams shows no `sig=` either: {_ANYONE[0].lower()}{_ANYONE[1:]}.",
        )
    if host != parts.hostname:
        raise ConfigError(
            f"The address in the secret of the system teams is at {parts.hostname}, and systems.yaml names {host}.",
            f"If the address is right, write in systems.yaml: `endpoint: https://{parts.hostname}`.",
        )
    return address


def _https_parts(address: str) -> SplitResult | None:
    """Return the parts of an https:// address; None for another text, of which the library's error would quote some."""
    try:
        parts = urlsplit(address)
        good = parts.scheme == "https" and bool(parts.hostname) and parts.username is None and parts.port != 0
    except ValueError:
        return None
    return parts if good else None


def _host_problem(host: str) -> str:
    """Return why no webhook of Teams is at `host`, as a sentence; empty if one can be."""
    if host == RETIRED or host.endswith(f".{RETIRED}") or host == "outlook.office.com":
        return f"{host} belongs to the connectors of Office 365, which Microsoft has switched off."
    if _HOST.fullmatch(host) and any(host.endswith(f".{one}") for one in HOSTS):
        return ""
    return (
        f"The host {host or 'that is missing'} of the system teams is none of {' or '.join(f'*.{h}' for h in HOSTS)}."
    )


def _host_of(address: str) -> str:
    try:
        return (urlsplit(address).hostname or "").lower()
    except ValueError:
        return ""


def _signatures(query: str) -> list[str]:
    """Return the signature in a query, as it is written and as it is meant; empty if there is none."""
    raw = [part.removeprefix("sig=") for part in query.split("&") if part.startswith("sig=")]
    return [one for one in [*raw, *parse_qs(query).get("sig", [])] if one]


def _refused(request: VendorRequest, response: httpx.Response, body: object) -> AllclearError | None:
    """Return the error if the flow cannot be started any more; None for every other answer."""
    code = _code_of(body)
    if code == _NOT_FOR_ANYONE:
        reason, step = "the flow may be started by users of the company only", f"{_ANYONE} ({_GUIDE})."
    elif code == _OTHER_FORM:
        reason, step = "the flow expects a message of another form", f"Make a new flow and set its address ({_GUIDE})."
    elif code == _FLOW_OFF or response.status_code in _FLOW_AWAY:
        reason = "the flow is off or gone, or its address is wrong"
        step = f"In Teams, open Workflows: switch the flow on, or make a new one and set its address ({_GUIDE})."
    else:
        return None
    return Denied(f"Teams did not {request.purpose}: {reason} ({response.status_code}).", step)


def _code_of(body: object) -> str:
    """Return the code of `{"error": {"code": …}}`; empty for any other answer."""
    error = cast("JsonDict", body).get("error") if isinstance(body, dict) else None
    return str(cast("JsonDict", error).get("code") or "") if isinstance(error, dict) else ""
