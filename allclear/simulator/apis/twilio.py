"""Twilio's API of 2010-04-01 for one account: sending texts, placing calls, and reading both.

*Source:* Twilio's published description (2026-11): paths, parameters, statuses, the fields of each resource. A refusal
is `{code, message, more_info, status}`. From memory: the sentences of refusals.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Awaitable, Callable
from datetime import datetime
from email.utils import format_datetime
from typing import Any
from urllib.parse import parse_qsl

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from allclear.simulator.apis.http_api import Call, HttpApi, Rejection, random_text, read_body
from allclear.simulator.apis.registration import SimulatedApi
from allclear.simulator.faults import Fault, FaultPoints
from allclear.simulator.scenario import Production
from allclear.simulator.twilio_account import SimulatedCall, SimulatedText, TwilioAccount, spoken
from allclear.simulator.world import World

Handler = Callable[[Request, Call], Awaitable[Response]]
READS = frozenset({"get_message", "list_messages", "get_call", "list_calls", "list_numbers"})
WRITES = frozenset({"send_message", "place_call"})
_LONGEST_TEXT, _LONGEST_TWIML, _LONGEST_WAIT = 1_600, 4_000, 36_000
_NUMBER = re.compile(r"\+[1-9][0-9]{6,14}")
_VERSION = "2010-04-01"
_REFUSALS = {
    "rate_limited": (429, 20429, "Too Many Requests"),
    "permission_denied": (401, 20003, "Authenticate"),
    "server_error": (500, 20500, "An internal server error has occurred"),
}
_WORDS = {
    21211: "Invalid 'To' Phone Number",
    21608: "The number is unverified. Trial accounts cannot send messages to unverified numbers",
    21610: "Attempt to send to unsubscribed recipient",
    21614: "'To' number is not a valid mobile number",
}


class TwilioApi(HttpApi):
    """Takes and shows the account's texts and calls."""

    name = "twilio"
    writes = WRITES

    def __init__(self, world: World, account: TwilioAccount, token: str) -> None:
        super().__init__(world)
        self._account, self._token = account, token
        account.token = token

    def app(self) -> Starlette:
        """Return the API as an ASGI application."""
        base = f"/{_VERSION}/Accounts/{self._account.spec.account}"
        return Starlette(
            routes=[
                self._route(f"{base}/Messages.json", "send_message", self._send, "POST"),
                self._route(f"{base}/Messages.json", "list_messages", self._list),
                self._route(f"{base}/Messages/{{sid}}.json", "get_message", self._show),
                self._route(f"{base}/Calls.json", "place_call", self._place, "POST"),
                self._route(f"{base}/Calls.json", "list_calls", self._list_calls),
                self._route(f"{base}/Calls/{{sid}}.json", "get_call", self._show_call),
                self._route(f"{base}/IncomingPhoneNumbers.json", "list_numbers", self._numbers),
            ]
        )

    def refusal(self, fault: Fault) -> Response:
        """Return Twilio's answer to a request that fails or is refused."""
        return _error(*_REFUSALS.get(fault.kind, (503, 20503, "Service unavailable"))).response

    def _route(self, path: str, method: str, handle: Handler, verb: str = "GET") -> Route:
        async def authorized(request: Request, call: Call) -> Response:
            basic = base64.b64encode(f"{self._account.spec.account}:{self._token}".encode()).decode()
            if request.headers.get("authorization") != f"Basic {basic}":
                raise _error(401, 20003, "Authenticate")
            return await handle(request, call)

        async def asked(request: Request) -> Response:
            return await self.answer(method, request, authorized)

        return Route(path, asked, methods=[verb])

    # --- texts ---------------------------------------------------------------------------------------------

    async def _send(self, request: Request, call: Call) -> Response:
        form = await _form(request)
        to, body = self._addressed(form), form.get("Body", "")
        if not body:
            raise _error(400, 21602, "Message body is required.")
        if len(body) > _LONGEST_TEXT:
            raise _error(400, 21617, "The concatenated message body exceeds the 1600 character limit")
        wait = form.get("ValidityPeriod", str(_LONGEST_WAIT))
        if not (wait.isdecimal() and 1 <= int(wait) <= _LONGEST_WAIT):
            raise _error(400, 21626, "Invalid validity period")
        if not self._account.spec.sms:
            raise _error(400, 21606, "The From phone number is not a valid, SMS-capable phone number")
        call.facts |= {"to": to, "body": body}
        if call.ignored:
            return JSONResponse(
                self._text(SimulatedText("SM" + "0" * 32, to, body, self._account.phone(to), self.now)), 201
            )
        return JSONResponse(self._text(self._account.send(to, body)), 201)

    async def _list(self, request: Request, _: Call) -> Response:
        query = request.query_params
        self._account.move_on()
        found = [text for text in self._account.texts if query.get("To") in (None, text.to)]
        if (since := query.get("DateSent>")) is not None:
            # One that has not left has no `date_sent`.
            found = [text for text in found if text.status != "queued" and f"{text.at:%Y-%m-%d}" >= since[:10]]
        return self._page(request, "messages", [self._text(text) for text in reversed(found)])

    async def _show(self, request: Request, _: Call) -> Response:
        self._account.move_on()
        sid = request.path_params["sid"]
        found = next((text for text in self._account.texts if text.sid == sid), None)
        if found is None:
            raise _error(404, 20404, f"The requested resource /Messages/{sid}.json was not found")
        return JSONResponse(self._text(found))

    def _text(self, text: SimulatedText) -> dict[str, Any]:
        left = None if text.status == "queued" else format_datetime(text.at, usegmt=True)
        failed = f"Error {text.error}" if text.error else None
        uri = f"/{_VERSION}/Accounts/{self._account.spec.account}/Messages/{text.sid}"
        return {
            "sid": text.sid,
            "account_sid": self._account.spec.account,
            "api_version": _VERSION,
            "body": text.body,
            "date_created": format_datetime(text.at, usegmt=True),
            "date_sent": left,
            "date_updated": format_datetime(text.at, usegmt=True),
            "direction": "outbound-api",
            "error_code": text.error,
            "error_message": failed,
            "from": self._account.spec.number,
            "messaging_service_sid": None,
            "num_media": "0",
            "num_segments": "1",
            "price": None,
            "price_unit": "USD",
            "status": text.status,
            "subresource_uris": {"media": f"{uri}/Media.json"},
            "to": text.to,
            "uri": f"{uri}.json",
        }

    # --- calls ---------------------------------------------------------------------------------------------

    async def _place(self, request: Request, call: Call) -> Response:
        form = await _form(request)
        to, twiml = self._addressed(form), form.get("Twiml", "")
        if not twiml:
            raise _error(400, 21205, "Url parameter is required.")
        if len(twiml) > _LONGEST_TWIML:
            raise _error(400, 21219, "The Twiml parameter is longer than 4000 characters.")
        if not self._account.spec.voice:
            raise _error(400, 21210, "'From' phone number is not verified for calls")
        try:
            call.facts |= {"to": to, "says": spoken(twiml)}
        except ValueError as error:
            raise _error(400, 12100, f"Document parse failure: {error}") from None
        if call.ignored:
            ignored = SimulatedCall("CA" + "0" * 32, to, twiml, self._account.phone(to), self.now)
            return JSONResponse(self._call(ignored), 201)
        return JSONResponse(self._call(self._account.place(to, twiml)), 201)

    async def _list_calls(self, request: Request, _: Call) -> Response:
        to = request.query_params.get("To")
        found = [self._call(call) for call in reversed(self._account.calls) if to in (None, call.to)]
        return self._page(request, "calls", found)

    async def _show_call(self, request: Request, _: Call) -> Response:
        sid = request.path_params["sid"]
        found = next((call for call in self._account.calls if call.sid == sid), None)
        if found is None:
            raise _error(404, 20404, f"The requested resource /Calls/{sid}.json was not found")
        return JSONResponse(self._call(found))

    def _call(self, call: SimulatedCall) -> dict[str, Any]:
        made = format_datetime(call.at, usegmt=True)
        return {
            "sid": call.sid,
            "account_sid": self._account.spec.account,
            "annotation": None,
            "answered_by": call.answered_by,
            "api_version": _VERSION,
            "caller_name": None,
            "date_created": made,
            "date_updated": made,
            "direction": "outbound-api",
            "duration": None,
            "end_time": None,
            "forwarded_from": None,
            "from": self._account.spec.number,
            "from_formatted": self._account.spec.number,
            "group_sid": None,
            "parent_call_sid": None,
            "phone_number_sid": None,
            "price": None,
            "price_unit": "USD",
            "queue_time": "0",
            "start_time": None if call.status == "queued" else made,
            "status": call.status,
            "subresource_uris": {},
            "to": call.to,
            "to_formatted": call.to,
            "trunk_sid": None,
            "uri": f"/{_VERSION}/Accounts/{self._account.spec.account}/Calls/{call.sid}.json",
        }

    # --- the account ---------------------------------------------------------------------------------------

    async def _numbers(self, request: Request, _: Call) -> Response:
        spec, wanted = self._account.spec, request.query_params.get("PhoneNumber")
        number = {
            "sid": "PN" + "5" * 32,
            "account_sid": spec.account,
            "phone_number": spec.number,
            "friendly_name": spec.number,
            "capabilities": {"voice": spec.voice, "sms": spec.sms, "mms": False, "fax": False},
            "status": "in-use",
        }
        found = [number] if wanted is None or wanted in spec.number else []
        return self._page(request, "incoming_phone_numbers", found)

    @property
    def now(self) -> datetime:
        """Return the present."""
        return self.world.clock()

    def _addressed(self, form: dict[str, str]) -> str:
        """Return the recipient of a text or call."""
        to, spec = form.get("To", ""), self._account.spec
        if not _NUMBER.fullmatch(to):
            raise _error(400, 21211, f"Invalid 'To' Phone Number: {to}")
        if form.get("From") != spec.number and not form.get("MessagingServiceSid"):
            raise _error(400, 21606, f"The From phone number {form.get('From')} is not one of the account's")
        if (code := self._account.phone(to).refuses_with) is not None:
            raise _error(400, code, _WORDS.get(code, "The request was refused"))
        return to

    def _page(self, request: Request, name: str, found: list[dict[str, Any]]) -> Response:
        size = request.query_params.get("PageSize", "50")
        shown = found[: int(size) if size.isdecimal() else 50]
        page = {
            "end": max(len(shown) - 1, 0),
            "first_page_uri": str(request.url.path),
            "next_page_uri": None,
            "page": 0,
            "page_size": int(size) if size.isdecimal() else 50,
            "previous_page_uri": None,
            "start": 0,
            "uri": str(request.url.path),
        }
        return JSONResponse({name: shown, **page})


async def _form(request: Request) -> dict[str, str]:
    try:
        return dict(parse_qsl((await read_body(request)).decode(), keep_blank_values=True))
    except ValueError:
        raise _error(400, 20001, "The body cannot be read.") from None


def _error(status: int, code: int, message: str) -> Rejection:
    more = f"https://www.twilio.com/docs/errors/{code}"
    body = {"code": code, "message": message, "more_info": more, "status": status}
    return Rejection(JSONResponse(body, status), f"{message} ({code})")


def _twilio_app(world: World, token: str) -> Starlette:
    return TwilioApi(world, world.twilio, token).app()


def _options(scenario: Production) -> dict[str, str]:
    spec = scenario.twilio
    return {"account": spec.account, "number": spec.number}


API = SimulatedApi(
    "twilio",
    _twilio_app,
    FaultPoints(READS | WRITES, ignorable=WRITES),
    new_secret=lambda: random_text(32, "0123456789abcdef"),
    options=_options,
)
