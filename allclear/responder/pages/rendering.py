"""Renders the pages: Jinja2 templates, which escape everything, and the headers that keep a page to itself.

A page loads only our own files, runs no script in its text, is shown in no frame, and is stored nowhere.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cache
from hashlib import sha256
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from fastapi import Response
from fastapi.responses import HTMLResponse
from markupsafe import Markup, escape

from allclear.responder.pages.cards import as_html

if TYPE_CHECKING:
    from jinja2 import Environment

_PACKAGE = "allclear.responder.pages"

_ONLY_OURS = (
    "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self'; form-action 'self'; "
    "base-uri 'none'; frame-ancestors 'none'"
)

HEADERS = {
    "Content-Security-Policy": _ONLY_OURS,
    "Cache-Control": "no-store",
    "Referrer-Policy": "same-origin",
    "X-Frame-Options": "DENY",
    "X-Content-Type-Options": "nosniff",
    "X-Robots-Tag": "noindex, nofollow",
    "Cross-Origin-Opener-Policy": "same-origin",
}
"""The headers of every page."""

NO_REFERRER = {"Referrer-Policy": "no-referrer"}
"""For the address of a personal link, which no other site may learn."""

_TYPES = {"css": "text/css; charset=utf-8", "js": "text/javascript; charset=utf-8", "svg": "image/svg+xml"}


_CODE = re.compile(r"`([^`]+)`")
_LONG_TEXT = 120
"""A value of a change that has more characters is shown in the whole width of a phone."""


@cache
def _environment() -> Environment:
    from jinja2 import Environment, PackageLoader, StrictUndefined  # noqa: PLC0415 - imported for the first page

    made = Environment(
        loader=PackageLoader(_PACKAGE), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    made.filters["inline"] = _inline
    made.filters["with_code"] = with_code
    return made


def _inline(text: str) -> Markup:
    """Return a description with its `code` as HTML."""
    return as_html(text, inline=True)


def _has_long_text(rows: Sequence[tuple[str, str, str]]) -> bool:
    """Return whether a change has a long value; each of its rows is the name, the value before, the value after."""
    return any(len(before) > _LONG_TEXT or len(after) > _LONG_TEXT for _, before, after in rows)


def with_code(text: str) -> Markup:
    """Return a sentence with its `code` as HTML. Everything else in it is text: it may come from people."""
    return Markup(_CODE.sub(r"<code>\1</code>", str(escape(text))))  # noqa: S704 - it is escaped


def render(template: str, **values: Any) -> str:  # noqa: ANN401 - what the template shows
    """Return a template with its values, all escaped."""
    return _environment().get_template(template).render(static=_versioned, has_long_text=_has_long_text, **values)


def page(template: str, status: int = 200, **values: Any) -> HTMLResponse:  # noqa: ANN401 - as above
    """Return a page."""
    return HTMLResponse(render(template, **values), status, HEADERS)


@cache
def _static() -> dict[str, bytes]:
    folder = files(_PACKAGE) / "static"
    return {file.name: file.read_bytes() for file in folder.iterdir() if file.name.rpartition(".")[2] in _TYPES}


def _versioned(name: str) -> str:
    """Return the path of a static file; it changes with the content, so that browsers may keep the file."""
    return f"/static/{name}?v={sha256(_static()[name]).hexdigest()[:12]}"


def static_file(name: str) -> Response:
    """Return one of our own files, or 404."""
    content = _static().get(name)
    if content is None:
        return Response(status_code=404)
    headers = {"Cache-Control": "public, max-age=31536000, immutable", "X-Content-Type-Options": "nosniff"}
    return Response(content, headers=headers, media_type=_TYPES[name.rpartition(".")[2]])
