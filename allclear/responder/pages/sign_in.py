"""Who opens a page: proven by an identity proxy, by a personal token or by a personal link; or no one.

The three are tried in this order. A link signs a person in for one incident, in a cookie that only its page receives.
"""

from __future__ import annotations

import asyncio
import re
from dataclasses import dataclass

from fastapi import Request, Response

from allclear.bootstrap import Engine
from allclear.domain.errors import NotAllowed
from allclear.domain.proof import Proof
from allclear.domain.records import PROGRAM, By
from allclear.engine.people.personal_links import page_path
from allclear.engine.people.signed_statements import LIFETIME, Purpose, SignedStatement, Statement
from allclear.responder.pages.identity_proxy import IdentityProxy

_BEARER = "bearer "


@dataclass(frozen=True)
class Viewer:
    """A person who reads a page, and what proves who it is."""

    person: str
    proof: Proof
    role: str = ""
    """The role in which a link or a token was given; empty for the person's roles in the plan."""

    @property
    def by(self) -> By:
        """Return who reads, as the author of an entry; no role is chosen yet."""
        return By(actor=self.person, role=self.role, via="page", proof=self.proof)

    @property
    def words(self) -> str:
        """Return `Ana, identified by a personal link`."""
        return f"{self.person}, {self.proof.words}"


class SignIn:
    """Finds out who sends a request."""

    def __init__(self, engine: Engine, proxy: IdentityProxy | None) -> None:
        self._engine = engine
        self._proxy = proxy
        scope = f"{engine.company.name}{'-simulated' if engine.simulated else ''}"
        self._cookie = "allclear-" + re.sub(r"[^a-z0-9-]", "-", scope.lower())
        """Browsers do not keep ports apart: a drill beside the real responder has a cookie of its own."""
        self.secure = engine.settings.public_url.startswith("https://")

    @property
    def has_proxy(self) -> bool:
        """Return whether an identity proxy is configured."""
        return self._proxy is not None

    async def viewer(self, request: Request, incident: str = "") -> Viewer | None:
        """Return who sends the request, or None if nothing in it says so. Without `incident`, for all incidents.

        Raises NotAllowed if something in it says so and does not count, as an expired sign-in; JournalError.
        """
        cookie = request.cookies.get(self._cookie, "") if incident else ""
        if self._proxy is not None and (asserted := self._proxy.assertion(request)):
            try:
                return Viewer(await self._proxy.person(asserted), Proof.PROXY)
            except NotAllowed:
                if not cookie:  # else the personal link, which was opened before, says who it is
                    raise
        bearer = request.headers.get("authorization", "")
        if bearer.lower().startswith(_BEARER):
            statement = await self._read(Purpose.TOKEN, bearer[len(_BEARER) :].strip())
            if statement.role == PROGRAM:
                raise NotAllowed(
                    f"{statement.person} is a program, and the pages are for people.",
                    "A program reads /incidents and proposes: /openapi.json describes it.",
                )
            return Viewer(statement.person, Proof.TOKEN, statement.role)
        if not cookie:
            return None
        statement = await self._read(Purpose.SESSION, cookie)
        if statement.incident != incident:
            raise NotAllowed(f"Your sign-in is for {statement.incident}, not for {incident}.", "Open your link to it.")
        return Viewer(statement.person, statement.proof, statement.role)

    async def opened(self, token: str) -> SignedStatement:
        """Return what a personal link says. Raises NotAllowed if it is forged, expired or revoked; JournalError."""
        return await self._read(Purpose.LINK, token)

    async def _read(self, purpose: Purpose, text: str) -> SignedStatement:
        return await asyncio.to_thread(self._engine.links.read, purpose, text)  # it looks for a revocation

    def start(self, response: Response, link: SignedStatement) -> None:
        """Sign the link's person in for the link's incident."""
        kept = Statement(person=link.person, role=link.role, incident=link.incident, proof=link.proof)
        response.set_cookie(
            self._cookie,
            self._engine.links.sign(Purpose.SESSION, kept),
            max_age=int(LIFETIME[Purpose.SESSION].total_seconds()),
            path=page_path(link.incident),
            httponly=True,
            samesite="lax",
            secure=self.secure,
        )

    def end(self, response: Response, incident: str) -> None:
        """Sign the person out of an incident's page."""
        response.delete_cookie(
            self._cookie, path=page_path(incident), httponly=True, samesite="lax", secure=self.secure
        )
