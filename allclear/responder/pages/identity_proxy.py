"""An identity proxy in front of the responder, which signs who has signed in: Google's IAP, or any OIDC proxy.

Only a signed assertion counts, with its signature, issuer, audience and time verified. Plain headers with an e-mail
address prove nothing, because every program that reaches the responder can send them.

*Source:* Google, "Securing your app with signed headers"; RFC 7519, RFC 8725 (3.1: the algorithms are fixed by us).
"""

from __future__ import annotations

from typing import Any

from fastapi import Request

from allclear.domain.errors import NotAllowed
from allclear.domain.plan import Plan
from allclear.domain.text import plain
from allclear.responder.pages.proxy_keys import ALGORITHMS, ProxyKeys
from allclear.settings import Settings

_LEEWAY = 30
"""Seconds by which the proxy's clock may differ from ours."""

_NEXT_STEP = "Sign in again through the proxy, or open your personal link."


class IdentityProxy:
    """Verifies what one proxy asserts, and finds the person in the plan by the e-mail address."""

    def __init__(self, settings: Settings, plan: Plan) -> None:
        self._header = settings.proxy_header
        self._issuer = settings.proxy_issuer
        self._audience = settings.proxy_audience
        self._keys = ProxyKeys(settings.proxy_keys_url)
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
        found = self._plan.people_at("email", email)
        if len(found) == 1:
            return found[0].name
        if found:
            names = " and ".join(person.name for person in found)
            raise NotAllowed(
                f"{plain(email, 100)} has signed in, and it is the address of several people: {names}.",
                "Give each person of plan.yaml an e-mail address of their own, and start the responder again.",
            )
        raise NotAllowed(
            f"{plain(email, 100)} has signed in, but no person of the plan has this e-mail address.",
            "Add it to plan.yaml, as `email` under the contacts of the person, and start the responder again.",
        )

    async def _email(self, assertion: str) -> str:
        import jwt  # noqa: PLC0415 - only a proxy needs it

        try:
            key = await self._keys.key(str(jwt.get_unverified_header(assertion).get("kid", "")))
            if key is None:
                raise jwt.InvalidKeyError
            claims: dict[str, Any] = jwt.decode(
                assertion,
                key,
                algorithms=list(ALGORITHMS),
                audience=self._audience,
                issuer=self._issuer,
                leeway=_LEEWAY,
                options={"require": ["exp", "iat", "aud", "iss"]},
            )
        except jwt.ExpiredSignatureError:
            raise NotAllowed("Your sign-in at the identity proxy has expired.", _NEXT_STEP) from None
        except jwt.PyJWTError:
            raise NotAllowed(
                "The identity proxy's signed header is not valid: its signature, issuer or audience is wrong.",
                _NEXT_STEP,
            ) from None
        email = claims.get("email")
        verified = claims.get("email_verified", True)  # IAP does not send it: it verifies each address
        if not isinstance(email, str) or not email.strip() or (verified is not True and verified != "true"):
            raise NotAllowed("The identity proxy asserts no verified e-mail address.", _NEXT_STEP)
        return email.strip()


def _is_jwt(text: str) -> bool:
    """Return whether `text` has the form of a JWT: a personal token, which comes in the same header, has another."""
    import jwt  # noqa: PLC0415 - as above

    try:
        return "alg" in jwt.get_unverified_header(text)
    except (jwt.PyJWTError, RecursionError):  # RecursionError: brackets nested without end
        return False


def proxy_of(settings: Settings, plan: Plan) -> IdentityProxy | None:
    """Return the configured identity proxy, or None."""
    return IdentityProxy(settings, plan) if settings.proxy_audience else None
