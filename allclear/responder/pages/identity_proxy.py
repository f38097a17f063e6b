"""An identity proxy in front of the responder, which signs who has signed in: Google's IAP, or any OIDC proxy.

Only a signed assertion counts, with its signature, issuer, audience and time verified. Plain headers with an e-mail
address prove nothing, because every program that reaches the responder can send them.

*Source:* Google, "Securing your app with signed headers"; RFC 7519, RFC 8725 (3.1: the algorithms are fixed by us).
"""

from __future__ import annotations

import asyncio
import threading
from time import monotonic
from typing import TYPE_CHECKING, Any

from fastapi import Request

from allclear.domain.errors import NotAllowed
from allclear.domain.plan import Plan
from allclear.settings import Settings

if TYPE_CHECKING:
    from jwt import PyJWK, PyJWKClient

ALGORITHMS = ("ES256", "ES384", "ES512", "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "EdDSA")
"""All are asymmetric: with a symmetric one, the public key would be the secret."""

_LEEWAY = 30
"""Seconds by which the proxy's clock may differ from ours."""

_FETCH_AGAIN_AFTER = 60.0
"""Seconds until the keys are fetched again for a key that is not known: a proxy replaces its keys."""

_KEPT = 3600
"""Seconds after which the keys are fetched again in any case."""

_TIMEOUT = 5
"""Seconds in which the keys must arrive."""

_NEXT_STEP = "Sign in again through the proxy, or open your personal link."


class IdentityProxy:
    """Verifies what one proxy asserts, and finds the person in the plan by the e-mail address."""

    def __init__(self, settings: Settings, plan: Plan) -> None:
        self._header = settings.proxy_header
        self._issuer = settings.proxy_issuer
        self._audience = settings.proxy_audience
        self._keys = _Keys(settings.proxy_keys_url)
        self._plan = plan

    def assertion(self, request: Request) -> str:
        """Return the signed assertion in the request; empty if there is none. Raises NotAllowed for two."""
        found = request.headers.getlist(self._header)
        if len(found) > 1:
            raise NotAllowed(f"The request has two headers {self._header}.", _NEXT_STEP)
        text = found[0].strip() if found else ""
        scheme, _, rest = text.partition(" ")
        text = rest.strip() if scheme.lower() == "bearer" else text
        return text if _is_jwt(text) else ""

    async def person(self, assertion: str) -> str:
        """Return the name of the person of the plan that the proxy asserts.

        Raises NotAllowed if the assertion is not valid, or if its e-mail address belongs to no person of the plan.
        """
        email = await self._email(assertion)
        for person in self._plan.people:
            contact = person.contacts.get("email")
            if person.known and contact and contact.address.strip().casefold() == email.casefold():
                return person.name
        raise NotAllowed(
            f"{email} has signed in, but no person of the plan has this e-mail address.",
            "Add it to plan.yaml, as `email` under the contacts of the person, and start the responder again.",
        )

    async def _email(self, assertion: str) -> str:
        import jwt  # noqa: PLC0415 - only a proxy needs it

        try:
            key = await asyncio.to_thread(self._keys.key, str(jwt.get_unverified_header(assertion).get("kid", "")))
            claims: dict[str, Any] = jwt.decode(
                assertion,
                key,
                algorithms=list(ALGORITHMS),
                audience=self._audience,
                issuer=self._issuer,
                leeway=_LEEWAY,
                options={"require": ["exp", "iat", "aud", "iss"]},
            )
        except jwt.PyJWKClientConnectionError:
            raise NotAllowed(
                "The keys of the identity proxy cannot be read, so no one can be recognised by it.",
                "Open your personal link. Test the address in ALLCLEAR_PROXY_KEYS_URL.",
            ) from None
        except jwt.ExpiredSignatureError:
            raise NotAllowed("Your sign-in at the identity proxy has expired.", _NEXT_STEP) from None
        except jwt.PyJWTError:
            raise NotAllowed("What the identity proxy asserts is not valid.", _NEXT_STEP) from None
        email = claims.get("email")
        if not isinstance(email, str) or not email.strip() or claims.get("email_verified") is False:
            raise NotAllowed("The identity proxy asserts no verified e-mail address.", _NEXT_STEP)
        return email.strip()


class _Keys:
    """The proxy's public keys, fetched when they are needed first. Thread-safe; blocks."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._client: PyJWKClient | None = None
        self._fetched = 0.0
        self._lock = threading.Lock()

    def key(self, name: str) -> PyJWK:
        """Return the key of that name. Raises jwt's PyJWKClientError, PyJWKClientConnectionError."""
        import jwt  # noqa: PLC0415 - as above

        with self._lock:
            if self._client is None:
                self._client = jwt.PyJWKClient(self._url, lifespan=_KEPT, timeout=_TIMEOUT)
            found = self._named(self._client, name, refresh=False)
            if found is None and monotonic() - self._fetched > _FETCH_AGAIN_AFTER:
                found = self._named(self._client, name, refresh=True)
            if found is None:
                msg = "no such key"
                raise jwt.PyJWKClientError(msg)
            return found

    def _named(self, client: PyJWKClient, name: str, *, refresh: bool) -> PyJWK | None:
        if refresh or not self._fetched:
            self._fetched = monotonic()
        return next((key for key in client.get_signing_keys(refresh=refresh) if key.key_id == name), None)


def _is_jwt(text: str) -> bool:
    """Return whether `text` has the form of a JWT: a personal token, which comes in the same header, has another."""
    import jwt  # noqa: PLC0415 - as above

    try:
        return "alg" in jwt.get_unverified_header(text)
    except jwt.PyJWTError:
        return False


def proxy_of(settings: Settings, plan: Plan) -> IdentityProxy | None:
    """Return the configured identity proxy, or None."""
    return IdentityProxy(settings, plan) if settings.proxy_audience else None
