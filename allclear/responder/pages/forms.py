"""What a form may do: it must come from our page, from the person to whom it was shown, about the change as shown.

Each form has two hidden fields. `form` is a signed statement: the person, the role, the incident, the question and the
hash of the change that was shown. `key` identifies the request, so that one that is sent twice is carried out once.
"""

from __future__ import annotations

import re
from secrets import token_hex
from typing import Any, TypeVar
from urllib.parse import parse_qsl, urlsplit

from fastapi import HTTPException, Request
from markupsafe import Markup
from pydantic import ValidationError

from allclear.commands.base import Command
from allclear.commands.inputs import nested
from allclear.domain.base import person_key
from allclear.domain.errors import NotAllowed
from allclear.domain.plan import Plan
from allclear.domain.records import By
from allclear.engine.people.personal_links import PersonalLinks
from allclear.engine.people.signed_statements import Purpose, SignedStatement, Statement
from allclear.responder.callers import with_request
from allclear.responder.pages.sign_in import Viewer

C = TypeVar("C", bound=Command)

FORM, KEY = "form", "key"

_KEY = re.compile(r"[0-9a-f]{32}")
_TYPED = re.compile(r"\ballclear [a-z][a-z-]* ")
"""The beginning of a command to type."""
_MOST_OTHER_FIELDS = 40
"""The most fields of a form beside one for each facet of the plan."""
_LOAD_AGAIN = "Load the page again; nothing was done."


def hidden_fields(
    links: PersonalLinks, viewer: Viewer, incident: str, role: str = "", ask: str = "", digest: str = ""
) -> Markup:
    """Return the two hidden fields of one form."""
    statement = Statement(
        person=viewer.person, role=role, incident=incident, ask=ask, proof=viewer.proof, digest=digest
    )
    field = Markup('<input type="hidden" name="{}" value="{}">')
    return field.format(FORM, links.sign(Purpose.FORM, statement)) + field.format(KEY, token_hex(16))


def check_origin(request: Request, public_url: str) -> None:
    """Raise NotAllowed unless a page of ours sent the form, as the browser tells.

    *Source:* W3C, "Fetch Metadata Request Headers". Browsers without them send `Origin` with every POST.
    """
    site = request.headers.get("sec-fetch-site")
    origin = request.headers.get("origin", "")
    public = urlsplit(public_url)
    ours = {f"{public.scheme}://{public.netloc}", f"{request.url.scheme}://{request.headers.get('host', '')}"}
    if site != "same-origin" if site is not None else origin not in ours:
        raise NotAllowed("This form was sent by another page, so nothing was done.", "Answer on the incident's page.")


def without_commands(said: str) -> str:
    """Return what became of a form without the sentences that give a command to type: the page has its buttons."""
    found = _TYPED.search(said)
    if found is None:
        return said
    kept = said[: found.start()]
    return kept[: kept.rfind(". ") + 1].strip() or said


def read_fields(request: Request, body: bytes, plan: Plan) -> dict[str, str]:
    """Return the fields of a form. Raises HTTPException 415 or 400 for a body that no form of ours sends."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/x-www-form-urlencoded":
        raise HTTPException(415, "Send a form.")
    most = _MOST_OTHER_FIELDS + len(plan.facets)
    try:
        pairs = parse_qsl(body.decode("utf-8"), keep_blank_values=True, max_num_fields=most, errors="strict")
    except ValueError:  # also a UnicodeDecodeError
        raise HTTPException(400, "The form cannot be read.") from None
    if len(dict(pairs)) != len(pairs):
        raise HTTPException(400, "The form has a field twice.")
    return dict(pairs)


def shown_form(links: PersonalLinks, fields: dict[str, str], viewer: Viewer, incident: str) -> SignedStatement:
    """Return what the form says it was for, and take its hidden fields out. Raises NotAllowed, JournalError."""
    form = links.read(Purpose.FORM, fields.pop(FORM, ""))
    if form.incident != incident:
        raise NotAllowed(f"This form is about {form.incident}, not about {incident}.", _LOAD_AGAIN)
    if person_key(form.person) != person_key(viewer.person) or form.proof != viewer.proof:
        raise NotAllowed(
            f"This form was shown to {form.person}, and you are {viewer.person} ({viewer.proof.words}).", _LOAD_AGAIN
        )
    return form


def author(by: By, command: Command, fields: dict[str, str], incident: str) -> By:
    """Return who sends the form, with the key of the request, which is taken out of the fields.

    Raises NotAllowed for a key that no form of ours has.
    """
    key = fields.pop(KEY, "")
    if not _KEY.fullmatch(key):
        raise NotAllowed("This form has no key.", _LOAD_AGAIN)
    return with_request(by, f"page-{key}", [command.name, incident, command.model_dump(mode="json")])


def command_from(kind: type[C], fields: dict[str, str], form: SignedStatement) -> C:
    """Return the command that the fields say. Its question and the change are those that were shown.

    Raises NotAllowed for a field that the command does not have, or a value that does not fit.
    """
    shown = {"ask": form.ask, "digest": form.digest}
    said = {name: value for name, value in fields.items() if name not in {KEY, "incident", *shown}}
    values: dict[str, Any] = {name: value for name, value in said.items() if value or _required(kind, name)}
    values = nested(values) | ({"incident": form.incident} if "incident" in kind.model_fields else {})
    values |= {name: value for name, value in shown.items() if name in kind.model_fields and value}
    try:
        return kind.model_validate(values)
    except ValidationError as error:
        first = error.errors()[0]
        place = " ".join(str(part) for part in first["loc"]).replace("_", " ")
        raise NotAllowed(f"The field {place}: {first['msg'].lower()}.", _LOAD_AGAIN) from None


def _required(kind: type[Command], name: str) -> bool:
    name = name.partition(".")[0]
    return name not in kind.model_fields or kind.model_fields[name].is_required()
