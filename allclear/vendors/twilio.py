"""Twilio: sending texts and calling people, and reading how far each text and call got.

Source: Twilio's published description of the 2010-04-01 API (2026-11) and its documentation, read 2026-11:
- `POST /Messages.json` and `POST /Calls.json` take forms and answer 201: it is queued, and no one has been reached.
  There is no idempotency key. `DELETE` of either takes nothing back from a phone.
- `GET /Messages.json?To=` lists the texts to one number, the newest first, with their bodies. `date_sent` is null until
  a text has left, so a list that is filtered by it can miss one that is queued.
- A text's `status`: queued, accepted (with a messaging service), scheduled and sending are on the way; `sent` is with
  the carrier, and some say no more; delivered and read arrived, partially_delivered has in part; undelivered, failed
  and canceled did not, with an `error_code`. received and receiving are of texts to us.
- A call's `status`: queued, ringing and in-progress are on the way; busy, no-answer, failed and canceled reached no
  one; `completed` says only that something answered. `answered_by` (human, machine_start, fax, unknown) is a guess.
- A refusal is `{code, message, more_info, status}` with the status in HTTP.
- A phone's key, and every other request of Twilio to us, has `X-Twilio-Signature`: base64 of HMAC-SHA1, with the
  account's auth token, over the whole address and the sorted fields of the form.

Source: Twilio's "Error and Warning Dictionary" (twilio.com/docs/api/errors), read 2026-11. 30001, 30003, 30008 and
30036 may pass: Twilio advises to send again. We do not, because the next way reaches the person at once. All others
last until a setting, a number or an account is changed. From memory: 21215, 21408, 30001, 30002, 30004 and 30007
beyond their titles.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any, ClassVar, Self, TypeVar, cast
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator
from pydantic_core import PydanticCustomError

from allclear.domain.base import JsonDict, Model
from allclear.domain.errors import AllclearError, VendorRefused
from allclear.domain.plan.phone_numbers import WANTED, e164, not_a_number
from allclear.domain.systems import Access
from allclear.vendors.access import options_of, secret_of, web_address
from allclear.vendors.errors import RATE_LIMITED, VendorRequest, one_line, seconds_to_wait
from allclear.vendors.http import Expected, HttpClient, OverHttp, Pause

if TYPE_CHECKING:
    from datetime import datetime

    import httpx

AUTH_TOKEN = "auth_token"  # noqa: S105 - the name of a secret
"""The further secret, by its name in systems.yaml, if `secret` is that of an API key: it proves Twilio's requests."""
KEYS_PATH = "/twilio/keys"
"""The path of the responder to which a key that a person presses in a call is posted."""
SIGNATURE = "x-twilio-signature"
"""The header that proves a request of Twilio."""
LONGEST_TEXT = 1_600
"""Characters of one text."""
LONGEST_TWIML = 4_000
"""Characters of what a call says, with its markup."""
VALIDITY_SECONDS = 300
"""How long a text may wait to be sent: later it is no news, and could be taken for a second incident."""
RING_SECONDS = 25
"""How long a phone rings. Most mailboxes answer after 25 to 30 s."""
_LISTED = 200
"""How many of the newest texts to one number are read to find ours."""
_READ = Expected(frozenset({200}), dict)
_MADE = Expected(frozenset({201}), dict, ("sid", "status"))
_REFUSED_FROM, _REFUSED_BELOW = 400, 500

_MEANINGS: dict[int, tuple[str, str]] = {
    21211: ("it is no valid number", "Correct this person's `phone` in plan.yaml."),
    21610: ("this person has stopped our texts", "This person must send START to our number."),
    21614: ("the number is no mobile phone", "Correct this person's `phone` in plan.yaml."),
    21608: (
        "a trial account, or one without an approved compliance profile, reaches verified numbers only",
        "Upgrade the account and have its profile approved, or verify the number in Twilio's console.",
    ),
    21601: ("our number is not the account's", "Correct `number` in systems.yaml, and run `allclear doctor`."),
    21606: ("our number cannot send texts there", "Correct `number` in systems.yaml, and run `allclear doctor`."),
    21210: ("our number is not the account's", "Correct `number` in systems.yaml, and run `allclear doctor`."),
    21612: ("no text from our number gets to that number", "Call this person, or use another `number`."),
    21214: ("the number cannot be called", "Correct this person's `phone` in plan.yaml."),
    21217: ("it is no valid number", "Correct this person's `phone` in plan.yaml."),
    21408: (
        "the account may not text that country",
        "Allow the country in Twilio's console: Messaging, Geo permissions.",
    ),
    21215: ("the account may not call that country", "Allow the country in Twilio's console: Voice, Geo permissions."),
    30001: ("too many texts of ours are waiting", "Call this person."),
    30002: ("the account is suspended", "Call this person, and ask Twilio why."),
    30003: ("the phone is off or out of reach", "Call this person."),
    30004: ("the recipient's carrier blocks it", "Call this person."),
    30005: ("the number does not exist", "Correct this person's `phone` in plan.yaml."),
    30006: ("the number is a landline", "Correct this person's `phone` in plan.yaml, or call this person."),
    30007: ("the carrier filtered it as spam", "Call this person, and ask Twilio to clear the number."),
    30008: ("the carrier gave no reason", "Call this person."),
    30032: ("our toll-free number is not verified", "Verify it in Twilio's console; until then it reaches no one."),
    30034: (
        "our number is not registered for texts to the United States (A2P 10DLC)",
        "Register it in Twilio's console; until then it reaches no one there.",
    ),
    30036: ("it waited too long to be sent", "Call this person."),
}
"""Code -> what it means within a sentence, and what a person does about it."""


class TwilioOptions(Model):
    """The account, and the number from which texts and calls come."""

    account: str = Field(pattern=r"^AC[0-9a-fA-F]{32}$", description="The account's SID, as AC….")
    number: str = Field(description="Our number, from which texts and calls come, as +15005550006.")
    api_key: str = Field(
        default="",
        pattern=r"^(SK[0-9a-fA-F]{32})?$",
        description="The SID of an API key, as SK…, if the secret is that key's; the account's auth token if left out.",
    )
    messaging_service: str = Field(
        default="",
        pattern=r"^(MG[0-9a-fA-F]{32})?$",
        description="The SID of a messaging service, as MG…, that chooses the number of each text.",
    )

    @field_validator("number")
    @classmethod
    def _is_a_number(cls, value: str) -> str:
        number = e164(value)
        if not number:
            raise PydanticCustomError("number", "{why} {wanted}", {"why": not_a_number(value), "wanted": WANTED})
        return number


class _Answer(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True, populate_by_name=True)

    sid: str
    status: str
    to: str = ""
    created: str | None = Field(default=None, alias="date_created")

    @property
    def created_at(self) -> datetime | None:
        """Return when Twilio took it; None if the answer does not say it."""
        try:
            return parsedate_to_datetime(self.created) if self.created else None
        except ValueError:
            return None


class Text(_Answer):
    """A text to one number."""

    body: str | None = None
    error: int | None = Field(default=None, alias="error_code")


class PhoneCall(_Answer):
    """A call to one number."""

    answered_by: str | None = None


class _Texts(BaseModel):
    messages: tuple[Text, ...]


class _Capabilities(BaseModel):
    sms: bool = False
    voice: bool = False


class OwnNumber(BaseModel):
    """A number of the account, and what it can do."""

    phone_number: str
    capabilities: _Capabilities = _Capabilities()


class _OwnNumbers(BaseModel):
    incoming_phone_numbers: tuple[OwnNumber, ...]


A = TypeVar("A", bound=BaseModel)


class Twilio(OverHttp):
    """Sends texts and places calls from one number of an account."""

    system: ClassVar[str] = "twilio"
    options: ClassVar[type[Model]] = TwilioOptions

    def __init__(
        self,
        address: str,
        secret: str,
        options: TwilioOptions,
        transport: httpx.AsyncBaseTransport | None = None,
        pause: Pause = asyncio.sleep,
        *,
        hears: bool = True,
    ) -> None:
        """`hears` is whether a key that a person presses in a call can be proven to come from Twilio."""
        self.hears = hears
        self.number, self._service = options.number, options.messaging_service
        basic = base64.b64encode(f"{options.api_key or options.account}:{secret}".encode()).decode()
        headers = {"Authorization": f"Basic {basic}", "Accept": "application/json"}
        self._http = HttpClient(
            "Twilio", address, headers=headers, secret=secret, transport=transport, pause=pause, refused=self._refused
        )
        self._account = f"/2010-04-01/Accounts/{options.account}"

    @classmethod
    def connect(cls, access: Access) -> Self:
        """Return a client; sends nothing yet. The endpoint is https://api.twilio.com. Raises ConfigError."""
        options, hears = options_of(access, TwilioOptions), bool(signing_token(access))
        return cls(web_address(access), secret_of(access), options, hears=hears)

    @property
    def chooses_number(self) -> bool:
        """Return whether a messaging service chooses the number of each text."""
        return bool(self._service)

    # --- texts ---------------------------------------------------------------------------------------------

    async def send_text(self, to: str, body: str) -> Text:
        """Send a text of at most `LONGEST_TEXT` characters, and return it as Twilio took it: no one has it yet."""
        request = VendorRequest("Twilio", f"text {to}", write=True)
        sender = {"MessagingServiceSid": self._service} if self._service else {"From": self.number}
        form = {"To": to, "Body": body, "ValidityPeriod": str(VALIDITY_SECONDS), **sender}
        answer = await self._http.send(request, "POST", f"{self._account}/Messages.json", form=form, expected=_MADE)
        return _parsed(request, answer, Text)

    async def text(self, sid: str) -> Text:
        """Return a text as it stands now. Raises NotFound, VendorError."""
        request = VendorRequest("Twilio", f"read the text {sid}", write=False)
        return await self._read(request, f"/Messages/{sid}.json", Text)

    async def texts_to(self, number: str) -> list[Text]:
        """Return the newest texts to a number, the newest first. Raises VendorError."""
        request = VendorRequest("Twilio", f"read the texts to {number}", write=False)
        params = {"To": number, "PageSize": str(_LISTED)}
        return list((await self._read(request, "/Messages.json", _Texts, params)).messages)

    # --- calls ---------------------------------------------------------------------------------------------

    async def call(self, to: str, twiml: str) -> PhoneCall:
        """Call a number and follow `twiml` when something answers; return the call as Twilio took it."""
        request = VendorRequest("Twilio", f"call {to}", write=True)
        form = {
            "To": to,
            "From": self.number,
            "Twiml": twiml,
            "Timeout": str(RING_SECONDS),
            "MachineDetection": "Enable",
        }
        answer = await self._http.send(request, "POST", f"{self._account}/Calls.json", form=form, expected=_MADE)
        return _parsed(request, answer, PhoneCall)

    async def phone_call(self, sid: str) -> PhoneCall:
        """Return a call as it stands now. Raises NotFound, VendorError."""
        request = VendorRequest("Twilio", f"read the call {sid}", write=False)
        return await self._read(request, f"/Calls/{sid}.json", PhoneCall)

    # --- the account ---------------------------------------------------------------------------------------

    async def own_number(self) -> OwnNumber | None:
        """Return our number as the account has it; None if the account has no such number. Raises VendorError."""
        request = VendorRequest("Twilio", f"read the account's number {self.number}", write=False)
        found = await self._read(
            request, "/IncomingPhoneNumbers.json", _OwnNumbers, {"PhoneNumber": self.number, "PageSize": "20"}
        )
        return next((one for one in found.incoming_phone_numbers if one.phone_number == self.number), None)

    async def _read(
        self, request: VendorRequest, path: str, model: type[A], params: Mapping[str, str] | None = None
    ) -> A:
        answer = await self._http.send(request, "GET", f"{self._account}{path}", params=params, expected=_READ)
        return _parsed(request, answer, model)

    def _refused(self, request: VendorRequest, response: httpx.Response, body: Any) -> AllclearError | None:  # noqa: ANN401 - parsed JSON
        """Return the error for a refusal with a code of Twilio's."""
        fields = cast("JsonDict", body) if isinstance(body, dict) else {}
        code, status = fields.get("code"), response.status_code
        if type(code) is not int or not _REFUSED_FROM <= status < _REFUSED_BELOW:
            return None
        if status in RATE_LIMITED:
            return request.rate_limited(seconds_to_wait(response.headers.get("retry-after")))
        if code in _MEANINGS:
            meaning, next_step = _MEANINGS[code]
            return VendorRefused(f"Twilio refused to {request.purpose}: {meaning} ({code}).", next_step)
        words = one_line(self._http.without_secret(str(fields.get("message") or "no reason")))
        return request.error_for(status, f"{words} ({code})")


def meaning_of(code: int | None) -> str:
    """Return what an error code means within a sentence: `the phone is off or out of reach (30003)`."""
    if code is None:
        return "Twilio gives no reason"
    known = _MEANINGS.get(code)
    return f"{known[0]} ({code})" if known else f"error {code}"


def next_step_for(code: int | None) -> str:
    """Return what a person does about an error code."""
    return _MEANINGS[code][1] if code in _MEANINGS else "Call this person."


def signature_of(token: str, address: str, fields: Mapping[str, str]) -> str:
    """Return the signature that Twilio puts on a request to `address` (with its query) with these fields of a form."""
    signed = address + "".join(f"{name}{fields[name]}" for name in sorted(fields))
    return base64.b64encode(hmac.new(token.encode(), signed.encode(), hashlib.sha1).digest()).decode()


def is_signed(token: str, address: str, fields: Mapping[str, str], signature: str) -> bool:
    """Return whether Twilio signed the request.

    Twilio signs an address with or without the port, depending on the scheme.
    """
    known = [signature_of(token, one, fields).encode() for one in _spellings(address)]
    return any(hmac.compare_digest(one, signature.encode()) for one in known)


def _spellings(address: str) -> list[str]:
    parts = urlsplit(address)
    host = parts.netloc.rpartition(":")[0] if parts.port else parts.netloc
    port = parts.port or (443 if parts.scheme == "https" else 80)
    hosts = dict.fromkeys([parts.netloc, host, f"{host}:{port}"])
    return [parts._replace(netloc=netloc).geturl() for netloc in hosts]


def signing_token(access: Access) -> str:
    """Return the account's auth token, which proves Twilio's requests; empty if systems.yaml does not give it."""
    if AUTH_TOKEN in access.more:
        return access.more[AUTH_TOKEN].get_secret_value().strip()
    return "" if access.options.get("api_key") or not access.secret else access.secret.get_secret_value().strip()


def _parsed(request: VendorRequest, answer: object, model: type[A]) -> A:
    try:
        return model.model_validate(answer)
    except ValidationError:
        raise request.not_from_vendor(200, "unexpected JSON") from None
