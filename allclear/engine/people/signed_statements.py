"""Signed statements that allclear hands to people and reads again: links, sessions, forms and personal tokens.

Each is signed with HMAC-SHA256 for one purpose, by itsdangerous, and has a time at which it expires. A statement of one
purpose, company or production is refused for another: a link of a drill opens nothing real.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import datetime, timedelta
from enum import StrEnum

from itsdangerous import BadData, TimestampSigner, URLSafeTimedSerializer
from pydantic import Field, SecretStr, ValidationError

from allclear.domain.base import Clock, Model
from allclear.domain.errors import NotAllowed
from allclear.domain.proof import Proof
from allclear.domain.scope import Scope


class Purpose(StrEnum):
    """What a signed statement is for; each has its own signature."""

    LINK = "link"
    """Opens the incident's page as one person."""
    SESSION = "session"
    """Keeps that person signed in, for that incident, in the browser that opened the link."""
    FORM = "form"
    """Proves that a form came from our own page and was shown to this person."""
    FORM_RESULT = "form-result"
    """Shows what became of a form on the next page, once."""
    TOKEN = "token"  # noqa: S105 - a purpose
    """Identifies one person to the API."""


LIFETIME: dict[Purpose, timedelta] = {
    Purpose.LINK: timedelta(hours=24),
    Purpose.SESSION: timedelta(hours=12),
    Purpose.FORM: timedelta(hours=12),
    Purpose.FORM_RESULT: timedelta(minutes=2),
    Purpose.TOKEN: timedelta(days=90),
}
"""How long a statement is accepted after it was signed."""

LEEWAY = timedelta(minutes=1)
"""By how much the clock that signed may be ahead of ours."""

_NAMES: dict[Purpose, tuple[str, str]] = {
    Purpose.LINK: ("This link", "Open the newest message or page of this incident: its link is new."),
    Purpose.SESSION: ("Your sign-in", "Open your link again, or sign in again."),
    Purpose.FORM: ("This form", "Load the page again; nothing was done."),
    Purpose.FORM_RESULT: ("This result", "Load the page again."),
    Purpose.TOKEN: ("This token", "Make a new one: allclear token NAME."),
}


class Statement(Model):
    """Who a person is, and for what."""

    person: str
    role: str = ""
    incident: str = Field(default="", description="The only incident that it is for; empty for all.")
    ask: str = Field(default="", description="The only question that it is for; empty for all.")
    proof: Proof = Proof.LINK
    digest: str = Field(default="", description="The hash of the change that was shown, in a form.")
    text: str = Field(default="", description="What became of a form, in its result.")


class SignedStatement(Statement):
    """A statement whose signature was verified."""

    signed_at: datetime


class Signatures:
    """Signs and verifies the statements of one company's real or simulated production."""

    def __init__(self, keys: Sequence[SecretStr], scope: Scope, clock: Clock) -> None:
        """`keys` verify, and the last one signs, so that a key can be replaced while old links still work."""
        self._keys = [key.get_secret_value() for key in keys if key.get_secret_value()]
        self._scope = scope
        self._clock = clock

    @property
    def can_sign(self) -> bool:
        """Return whether there is a key."""
        return bool(self._keys)

    def sign(self, purpose: Purpose, statement: Statement) -> str:
        """Return the statement with its signature, safe in an address. Raises NotAllowed without a key."""
        self.require_key()
        return str(self._serializer(purpose).dumps(statement.model_dump(mode="json", exclude_defaults=True)))

    def require_key(self) -> None:
        """Raise NotAllowed without a key."""
        if not self._keys:
            raise NotAllowed(
                "Nothing can be signed: no key for personal links is set.",
                "Start the responder with `allclear up`, which makes one, or set ALLCLEAR_LINK_KEY.",
            )

    def read(self, purpose: Purpose, text: str) -> SignedStatement:
        """Return the statement in `text`.

        Raises NotAllowed if it is forged, expired, from the future or for another purpose.
        """
        what, next_step = _NAMES[purpose]
        if not self._keys or len(text) > _LONGEST:
            raise NotAllowed(f"{what} is not valid.", next_step)
        try:
            fields, at = self._serializer(purpose).loads(text, return_timestamp=True)
            statement = SignedStatement.model_validate(fields | {"signed_at": at})
        except (BadData, ValidationError, TypeError):
            raise NotAllowed(f"{what} is not valid.", next_step) from None
        now, signed = self._clock(), statement.signed_at
        age = now - signed
        if age > LIFETIME[purpose]:
            raise NotAllowed(f"{what} has expired.", next_step)
        if age < -LEEWAY:
            raise NotAllowed(
                f"{what} was signed at {signed:%H:%M:%S} UTC, and here it is {now:%H:%M:%S} UTC: a clock was wrong.",
                f"{next_step} If it is refused again, correct the clock of the responder's machine.",
            )
        return statement

    def _serializer(self, purpose: Purpose) -> URLSafeTimedSerializer:
        clock = self._clock

        class Signer(TimestampSigner):
            """Stamps with our clock, which tests set."""

            def get_timestamp(self) -> int:
                return int(clock().timestamp())

        return URLSafeTimedSerializer(
            self._keys,
            salt=f"allclear.{purpose}.{self._scope}",
            signer=Signer,
            signer_kwargs={"digest_method": hashlib.sha256},
        )


_LONGEST = 4096
"""Characters of the longest text that is read."""
