"""What all pages share: who reads them, what a refusal looks like, and what became of a form."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, NamedTuple

from fastapi import Request
from fastapi.responses import HTMLResponse, RedirectResponse

from allclear.bootstrap import Engine
from allclear.domain.errors import AllclearError, JournalError, NotAllowed
from allclear.engine.people.personal_links import page_path
from allclear.engine.people.signed_statements import Purpose, Statement
from allclear.responder.limits import Limits
from allclear.responder.pages.changes import Changes
from allclear.responder.pages.failures import TITLES, how_to_sign_in, status_of
from allclear.responder.pages.forms import without_commands
from allclear.responder.pages.rendering import HEADERS, page
from allclear.responder.pages.sign_in import SignIn, Viewer

RESULT_COOKIE = "said"
"""The cookie that carries what became of a form to the next page."""
_LONGEST_RESULT = 600
"""Characters: a browser keeps 4 KB in a cookie."""


class PageServices(NamedTuple):
    """What the pages need."""

    engine: Engine
    sign_in: SignIn
    changes: Changes
    limits: Limits
    run: Callable[[Callable[[], Coroutine[Any, Any, Any]]], Awaitable[Any]]
    """Runs work on the loop of the background workers, where the clients of the outside systems are."""
    written: Callable[[], None]
    """Called after a command, from any thread: the background workers go on at once."""


class NotSignedIn(Exception):
    """No one has signed in, or what was presented does not count; `reason` says why."""

    def __init__(self, reason: NotAllowed | None = None) -> None:
        super().__init__(str(reason or ""))
        self.reason = reason


class PageBase:
    """What the handlers of all pages use."""

    def __init__(self, services: PageServices) -> None:
        self._engine = services.engine
        self._sign_in = services.sign_in
        self._changes = services.changes
        self._limits = services.limits
        self._run = services.run
        self._written = services.written

    def _back(self, incident: str, viewer: Viewer, said: str, *, good: bool) -> RedirectResponse:
        """Return to the page, with what became of the form, signed, in a cookie that only this page receives."""
        response = RedirectResponse(page_path(incident), 303, HEADERS)
        result = Statement(
            person=viewer.person,
            incident=incident,
            digest="good" if good else "bad",
            text=without_commands(said)[:_LONGEST_RESULT],
        )
        response.set_cookie(
            RESULT_COOKIE,
            self._engine.links.sign(Purpose.FORM_RESULT, result),
            max_age=60,
            path=page_path(incident),
            httponly=True,
            samesite="strict",
            secure=self._sign_in.secure,
        )
        return response

    async def _viewer(self, request: Request, incident: str = "") -> Viewer:
        """Return who sends a request. Raises NotSignedIn, JournalError."""
        try:
            viewer = await self._sign_in.viewer(request, incident)
        except NotAllowed as error:
            raise NotSignedIn(error) from None
        if viewer is None:
            raise NotSignedIn
        return viewer

    @property
    def _frame(self) -> dict[str, Any]:
        return {"simulated": self._engine.simulated, "company": self._engine.company.plan.company}

    def _message(self, title: str, error: AllclearError, status: int, back: str = "") -> HTMLResponse:
        return page(
            "message.html",
            status,
            title=title,
            sentence=error.message,
            next_step=error.next_step,
            back=back,
            **self._frame,
        )

    def _failed(self, error: AllclearError, back: str = "") -> HTMLResponse:
        """Return the page that says why a request failed; `back` is the incident that the reader may go back to."""
        status = status_of(error)
        return self._message(TITLES[status], error, status, "" if isinstance(error, JournalError) else back)

    def _unknown(self, reason: NotAllowed | None, what: str, done: str = "") -> HTMLResponse:
        """Return the page for a reader who has not signed in: how to sign in, and nothing of the incident."""
        sentence = f"{done}{reason.message}" if reason else f"{done}You have not signed in, so {what} is not shown."
        step = reason.next_step if reason else how_to_sign_in(what, has_proxy=self._sign_in.has_proxy)
        response = page("message.html", 401, title="Sign in", sentence=sentence, next_step=step, back="", **self._frame)
        response.headers["WWW-Authenticate"] = "Bearer"
        return response
