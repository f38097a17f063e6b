"""The routes of the pages: a personal link, the list, an incident's page and its changes, and the forms."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from functools import partial
from itertools import islice
from typing import Annotated

from fastapi import APIRouter, Path, Request, Response
from fastapi.responses import RedirectResponse, StreamingResponse
from markupsafe import Markup

from allclear.commands.base import Command, Section
from allclear.commands.catalog import PAGE_COMMANDS
from allclear.domain.base import utc_now
from allclear.domain.errors import AllclearError, JournalError, NotAllowed, NotFound
from allclear.domain.incident import Incident
from allclear.domain.privacy import NotAReader, may_read, require_reader
from allclear.domain.roles import roles_of
from allclear.domain.text import plain, signature
from allclear.engine.incidents import readable
from allclear.engine.people.personal_links import page_path
from allclear.engine.people.signed_statements import Purpose
from allclear.responder.pages.chart import chart_svg
from allclear.responder.pages.command_forms import CommandForm, forms_of, next_form, with_effect
from allclear.responder.pages.declare import DeclarePage
from allclear.responder.pages.failures import LIST, NEW_LINK, status_of
from allclear.responder.pages.forms import (
    author,
    check_origin,
    command_from,
    hidden_fields,
    read_fields,
    shown_form,
)
from allclear.responder.pages.meeting import HEADERS as FILE_HEADERS
from allclear.responder.pages.meeting import MEDIA_TYPE, calendar_file
from allclear.responder.pages.page_base import RESULT_COOKIE, NotSignedIn, PageBase, PageServices
from allclear.responder.pages.rendering import HEADERS, NO_REFERRER, page, static_file
from allclear.responder.pages.sign_in import Viewer
from allclear.responder.pages.view import IncidentPage, Source, incident_page, list_row
from allclear.responder.routes.lazy_route import LateRoute

log = logging.getLogger("allclear.responder")

_COMMANDS = {command.name: command for command in PAGE_COMMANDS}
_MOST_LISTED = 100
IncidentPath = Annotated[str, Path(description="As VS-12.")]


def _command(name: str) -> type[Command]:
    """Return the command of that name. Raises NotFound."""
    if name not in _COMMANDS:
        raise NotFound(f"There is no command {plain(name, 60)}.", "Go back to the incident's page.")
    return _COMMANDS[name]


def page_routes(services: PageServices) -> APIRouter:
    """Return the routes of the pages. They are for people, so /openapi.json does not describe them."""
    router = APIRouter(route_class=LateRoute, include_in_schema=False)
    pages = _Pages(services)
    router.add_api_route("/l/{token}", pages.link)
    router.add_api_route("/static/{name}", pages.static)
    router.add_api_route("/", pages.listed)
    router.add_api_route("/i", pages.listed)
    declare = DeclarePage(services)
    router.add_api_route("/declare", declare.form)
    router.add_api_route("/declare", declare.declare, methods=["POST"])
    router.add_api_route("/i/{incident}", pages.incident)
    router.add_api_route("/i/{incident}/events", pages.events)
    router.add_api_route("/i/{incident}/chart.svg", pages.chart)
    router.add_api_route("/i/{incident}/meeting.ics", pages.meeting)
    router.add_api_route("/i/{incident}/{command}", pages.form)
    router.add_api_route("/i/{incident}/{command}", pages.command, methods=["POST"])
    return router


class _Pages(PageBase):
    """The handlers of the routes."""

    # --- reading ---------------------------------------------------------------------------------

    async def link(self, token: str) -> Response:
        """Sign a person in by a personal link, and lead to the incident's page. Nothing is decided."""
        try:
            opened = await self._sign_in.opened(token)
        except NotAllowed as error:
            response = self._message("This link does not open anything", error, 403)
        except JournalError as error:
            response = self._message("The journal does not answer", error, 503)
        else:
            response = RedirectResponse(page_path(opened.incident, opened.ask), 303, HEADERS)
            self._sign_in.start(response, opened)
        response.headers.update(NO_REFERRER)
        return response

    async def static(self, name: str) -> Response:
        """Return one of our own files."""
        return static_file(name)

    async def listed(self, request: Request) -> Response:
        """List the incidents, for a person who has signed in for all of them."""
        try:
            viewer = await self._viewer(request)
            rows = await asyncio.to_thread(self._list, viewer)
        except NotSignedIn as error:
            return self._unknown(error.reason, LIST)
        except AllclearError as error:
            return self._failed(error)
        return page(
            "list.html",
            rows=[list_row(incident, self._engine.company.plan) for incident in rows],
            viewer=viewer,
            company=self._engine.company.plan.company,
            simulated=self._engine.simulated,
        )

    async def incident(self, request: Request, incident: IncidentPath, part: str = "") -> Response:
        """Show an incident's page, or with `part=main` only what changes in it."""
        try:
            viewer, state = await self._reader(request, incident)
            view, forms = await asyncio.to_thread(self._view, state, viewer)
        except NotSignedIn as error:
            return self._unknown(error.reason, incident)
        except NotAReader as error:
            return await self._private(request, incident, error)
        except AllclearError as error:
            return self._failed(error)
        template = "main.html" if part == "main" else "incident.html"
        result = await self._form_result(request, incident, viewer) if not part else None
        response = page(template, page=view, hidden=self._hidden(view), result=result, forms_in=forms)
        return self._without_result(request, response, incident) if not part else response

    async def _private(self, request: Request, incident: str, error: NotAReader) -> Response:
        """Return the page for a person who may not read a private incident: that person may acknowledge it."""
        engine = self._engine
        viewer = await self._viewer(request, incident)
        state = await asyncio.to_thread(engine.conductor.incident, incident)
        role = next(iter(roles_of(viewer.person, state, engine.company.plan, viewer.role)), "")
        hidden = "" if state.over else hidden_fields(engine.links, viewer, incident, role)
        result = await self._form_result(request, incident, viewer)
        response = page(
            "private.html",
            403,
            incident=incident,
            viewer=viewer,
            sentence=error.message,
            next_step=error.next_step,
            hidden=hidden,
            result=result,
            **self._frame,
        )
        return self._without_result(request, response, incident)

    def _without_result(self, request: Request, response: Response, incident: str) -> Response:
        """Remove what became of the last form, which the page has shown."""
        if RESULT_COOKIE in request.cookies:
            response.delete_cookie(RESULT_COOKIE, path=page_path(incident))
        return response

    async def events(self, request: Request, incident: IncidentPath, length: int = 0) -> Response:
        """Stream the changes of an incident as server-sent events, from the length that the page shows."""
        try:
            await self._reader(request, incident)
        except NotSignedIn:
            return Response(status_code=401)
        except AllclearError as error:
            return Response(str(error), status_of(error))
        if self._changes.full:
            return Response("Too many pages are open.", 503)
        if request.scope.get("head"):
            return Response(media_type="text/event-stream", headers=HEADERS)

        async def may_read() -> bool:
            try:
                await self._reader(request, incident)
            except (NotSignedIn, AllclearError):
                return False
            return True

        return StreamingResponse(
            self._changes.stream(incident, length, may_read),
            media_type="text/event-stream",
            headers=HEADERS | {"X-Accel-Buffering": "no"},
        )

    async def chart(self, request: Request, incident: IncidentPath) -> Response:
        """Return the chart of failures as an SVG image."""
        policy = {"Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'"}
        return await self._file(request, incident, self._chart, "image/svg+xml", policy)

    async def meeting(self, request: Request, incident: IncidentPath) -> Response:
        """Return the review's meeting as a file that any calendar opens."""
        return await self._file(request, incident, calendar_file, MEDIA_TYPE, FILE_HEADERS)

    async def _file(
        self,
        request: Request,
        incident: str,
        make: Callable[[Incident], str | bytes],
        media_type: str,
        headers: dict[str, str],
    ) -> Response:
        """Return what `make` makes of the incident, to a person who may read it."""
        try:
            _, state = await self._reader(request, incident)
            content = await asyncio.to_thread(make, state)
        except NotSignedIn:
            return Response(status_code=401)
        except AllclearError as error:
            return Response(str(error), status_of(error))
        return Response(content, headers=HEADERS | headers, media_type=media_type)

    async def form(self, request: Request, incident: IncidentPath, command: str) -> Response:
        """Show the form of a command, with what it would do now if a person must see that first. Changes nothing."""
        engine, said = self._engine, dict(request.query_params)
        try:
            viewer, state = await self._reader(request, incident)
            kind, roles = _command(command), roles_of(viewer.person, state, engine.company.plan, viewer.role)
            by = engine.people.who(viewer.person, roles[0] if roles else None, "page", viewer.proof)
            form = await asyncio.to_thread(next_form, kind, engine, state, said)
            if kind.confirm and not form.asks_on:
                form = await self._run(partial(with_effect, form, engine, state, by))
        except NotSignedIn as error:
            return self._unknown(error.reason, incident)
        except AllclearError as error:
            return self._failed(error, incident)
        digest = form.effect.digest if form.effect else ""
        hidden = hidden_fields(engine.links, viewer, incident, by.role or "", digest=digest)
        return page("command.html", incident=incident, viewer=viewer, form=form, hidden=hidden, **self._frame)

    # --- doing -----------------------------------------------------------------------------------

    async def command(self, request: Request, incident: IncidentPath, command: str) -> Response:
        """Carry out what a form says, and lead back to the page, which shows what became of it."""
        try:
            check_origin(request, self._engine.settings.public_url)
            needs_reader = command not in _COMMANDS or _COMMANDS[command].needs_reader
            viewer, _ = await self._reader(request, incident, needs_reader=needs_reader)
        except NotSignedIn as error:
            return self._unknown(error.reason, incident, done="Nothing was done. ")
        except NotAllowed as error:
            return self._message("Nothing was done", error, 403, incident)
        except AllclearError as error:
            return self._failed(error)
        with self._limits.admit() as body:
            fields = read_fields(request, await body.read(request), self._engine.company.plan)
        if command == "sign-out":
            return await self._sign_out(incident, viewer, fields)
        try:
            kind = _command(command)
        except NotFound as error:
            return self._failed(error)
        try:
            said, good = await self._carry_out(kind, fields, viewer, incident), True
        except AllclearError as error:
            said, good = str(error), False
        return self._back(incident, viewer, said, good=good)

    async def _carry_out(self, kind: type[Command], fields: dict[str, str], viewer: Viewer, incident: str) -> str:
        engine = self._engine
        form = await asyncio.to_thread(shown_form, engine.links, fields, viewer, incident)
        command = command_from(kind, fields, form)
        who = engine.people.who(viewer.person, form.role or viewer.role or None, "page", viewer.proof)
        by = author(who, command, fields, incident)

        try:
            # a reader who leaves stops nothing
            return await asyncio.shield(self._run(lambda: command.carry_out(engine, incident, by)))
        finally:
            self._written()

    async def _sign_out(self, incident: str, viewer: Viewer, fields: dict[str, str]) -> Response:
        """Refuse from now on every link and sign-in of this person for this incident."""
        engine = self._engine
        try:
            await asyncio.to_thread(shown_form, engine.links, fields, viewer, incident)
            said = await asyncio.to_thread(
                engine.links.revoke, viewer.person, incident, viewer.person, "signed out on the incident's page"
            )
        except AllclearError as error:
            return self._failed(error)
        response = page(
            "message.html",
            title="You have signed out",
            sentence=said,
            next_step=NEW_LINK.format(incident=incident, signature=signature(engine.company.plan)),
            back="",
            **self._frame,
        )
        self._sign_in.end(response, incident)
        return response

    async def _form_result(self, request: Request, incident: str, viewer: Viewer) -> tuple[str, str] | None:
        """Return what became of the last form: `good` or `bad`, and the sentence."""
        if RESULT_COOKIE not in request.cookies:
            return None
        try:
            read = await asyncio.to_thread(self._engine.links.read, Purpose.FORM_RESULT, request.cookies[RESULT_COOKIE])
        except AllclearError:
            return None
        return (read.digest, read.text) if (read.incident, read.person) == (incident, viewer.person) else None

    # --- parts -----------------------------------------------------------------------------------

    async def _reader(
        self, request: Request, incident_id: str, *, needs_reader: bool = True
    ) -> tuple[Viewer, Incident]:
        """Return who reads an incident, and the incident, which is read once for a request.

        Raises NotSignedIn, NotFound, JournalError, and NotAReader if it is private and `needs_reader`.
        """
        viewer = await self._viewer(request, incident_id)
        incident = await asyncio.to_thread(self._engine.conductor.incident, incident_id)
        if needs_reader:
            require_reader(self._engine.company.plan, incident, viewer.by)
        return viewer, incident

    def _list(self, viewer: Viewer) -> list[Incident]:
        """Return the newest incidents that this person may read."""
        found, plan = readable(self._engine.journal, self._engine.journal.incidents()), self._engine.company.plan
        return list(islice((one for one in found if may_read(plan, one, viewer.person)), _MOST_LISTED))

    def _view(self, incident: Incident, viewer: Viewer) -> tuple[IncidentPage, dict[Section, list[CommandForm]]]:
        engine = self._engine
        entries = engine.journal.entries(incident.id)[: incident.length]
        service = engine.company.systems.services.get(incident.opened.service)
        title = service.title if service else incident.opened.service
        decisions = engine.journal.decisions(incident=incident.id)
        checking = engine.conductor.running_check(incident)
        source = Source(incident, entries, engine.company.plan, title, viewer, utc_now(), decisions, checking)
        return incident_page(source), forms_of(engine, incident)

    def _chart(self, incident: Incident) -> str:
        entries = self._engine.journal.entries(incident.id)[: incident.length]
        return chart_svg(incident, entries, self._engine.company.plan)

    def _hidden(self, view: IncidentPage) -> Callable[..., Markup]:
        """Return what makes the hidden fields of a form: of a question, if one is named."""

        def hidden(role: str = "", ask: str = "", digest: str = "") -> Markup:
            return hidden_fields(self._engine.links, view.viewer, view.id, role, ask, digest)

        return hidden
