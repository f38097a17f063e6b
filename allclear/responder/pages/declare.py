"""The page on which a person who has signed in for all incidents declares one. The plan's facts are asked for there."""

from __future__ import annotations

import asyncio
from http import HTTPStatus

from fastapi import Request, Response

from allclear.commands.company import Declare
from allclear.domain.errors import AllclearError, JournalError, NotAllowed
from allclear.engine.people.declare import DeclareResult, declared_words
from allclear.responder.pages.command_forms import company_form
from allclear.responder.pages.failures import DECLARING, status_of
from allclear.responder.pages.forms import author, check_origin, command_from, hidden_fields, read_fields, shown_form
from allclear.responder.pages.page_base import NotSignedIn, PageBase
from allclear.responder.pages.rendering import page
from allclear.responder.pages.sign_in import Viewer


class DeclarePage(PageBase):
    """The handlers of its routes."""

    async def form(self, request: Request) -> Response:
        """Show the form. What the address says is filled in, as `/declare?service=storefront`. Changes nothing."""
        try:
            viewer = await self._viewer(request)
        except NotSignedIn as error:
            return self._unknown(error.reason, DECLARING)
        except AllclearError as error:
            return self._failed(error)
        return self._shown(viewer, dict(request.query_params))

    async def declare(self, request: Request) -> Response:
        """Open the incident that a form says, and lead to its page. A refused form is shown again as it was."""
        try:
            check_origin(request, self._engine.settings.public_url)
            viewer = await self._viewer(request)
        except NotSignedIn as error:
            return self._unknown(error.reason, DECLARING, done="Nothing was done. ")
        except NotAllowed as error:
            return self._message("Nothing was done", error, 403)
        except AllclearError as error:
            return self._failed(error)
        with self._limits.admit() as body:
            fields = read_fields(request, await body.read(request), self._engine.company.plan)
        typed = dict(fields)
        try:
            result = await self._declared(viewer, fields)
        except JournalError as error:
            return self._failed(error)
        except AllclearError as error:
            return self._shown(viewer, typed, error)
        state = await asyncio.to_thread(self._engine.conductor.incident, result.incident)
        if state.over:  # the form was sent before, for an incident that has ended since
            said = f"{state.id} has ended, and nothing was declared. Load the form again to declare another incident."
        else:
            said = declared_words(state, result)
        return self._back(state.id, viewer, said, good=not state.over)

    async def _declared(self, viewer: Viewer, fields: dict[str, str]) -> DeclareResult:
        """Declare the incident. Raises what `People.declare` raises."""
        engine = self._engine
        form = await asyncio.to_thread(shown_form, engine.links, fields, viewer, "")
        command = command_from(Declare, fields, form)
        by = author(engine.people.who(viewer.person, viewer.role or None, "page", viewer.proof), command, fields, "")

        async def opened() -> DeclareResult:
            return command.open(engine, by)

        try:
            return await asyncio.shield(self._run(opened))  # a reader who leaves stops nothing
        finally:
            self._written()

    def _shown(self, viewer: Viewer, typed: dict[str, str], error: AllclearError | None = None) -> Response:
        """Return the form with what was typed.

        An unknown service or severity is answered with 422: 404 would mean that the page does not exist.
        """
        status = status_of(error) if error else 200
        return page(
            "declare.html",
            HTTPStatus.UNPROCESSABLE_ENTITY if status == HTTPStatus.NOT_FOUND else status,
            form=company_form(Declare, self._engine, typed),
            hidden=hidden_fields(self._engine.links, viewer, ""),
            refused=error,
            viewer=viewer,
            **self._frame,
        )
