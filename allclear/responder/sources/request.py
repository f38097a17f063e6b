"""One request of a monitoring system, as plain data: what was received, before the body is parsed."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import parse_qsl, urlencode

from allclear.responder.strict_json import decode

MAX_FIELDS = 200
"""A form or a query with more fields is rejected."""

ESCAPE = "backslashreplace"
"""Bytes that are no UTF-8 are written out, as `\\xff`, so that texts that differ are not the same afterwards."""

HeaderPairs = tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class RawRequest:
    """The body byte for byte, all headers (a repeated header is there twice), and the query as it was sent."""

    body: bytes
    headers: HeaderPairs = ()
    query: str = ""

    def header(self, name: str) -> str:
        """Return a header, or the empty string if it is missing or present twice."""
        values = self.header_values(name)
        return values[0] if len(values) == 1 else ""

    def header_values(self, name: str) -> list[str]:
        """Return every value of the header `name`, whose case does not matter."""
        wanted = name.lower()
        return [value for key, value in self.headers if key.lower() == wanted]

    def query_values(self, name: str) -> list[str]:
        """Return every value of the query field `name`; none if the query cannot be parsed."""
        try:
            return [value for key, value in fields(self.query) if key == name]
        except ValueError:
            return []

    def json(self) -> Any:  # noqa: ANN401 - decoded JSON
        """Return the body as strict JSON. Raises ValueError."""
        return decode(self.body)

    def form(self) -> dict[str, str]:
        """Return the body as a form's fields. Raises ValueError for a repeated field, or too many."""
        pairs = fields(self.body.decode(errors=ESCAPE))
        form = dict(pairs)
        if len(form) != len(pairs):
            msg = "a field is in the form twice"
            raise ValueError(msg)
        return form

    @property
    def is_form(self) -> bool:
        """Return whether the content type is that of a form."""
        return self.header("content-type").lower().startswith("application/x-www-form-urlencoded")

    def with_headers(self, *headers: tuple[str, str]) -> RawRequest:
        """Return the request with these headers added."""
        return replace(self, headers=(*self.headers, *headers))


def fields(text: str) -> list[tuple[str, str]]:
    """Return the names and values of a form or query. Raises ValueError for more than MAX_FIELDS."""
    return parse_qsl(text, keep_blank_values=True, max_num_fields=MAX_FIELDS, errors=ESCAPE)


def json_request(body: object, headers: Mapping[str, str] | None = None) -> RawRequest:
    """Return an unsigned request with a JSON body: for samples."""
    pairs = {"Content-Type": "application/json", **(headers or {})}
    return RawRequest(json.dumps(body, ensure_ascii=False).encode(), tuple(pairs.items()))


def form_request(form: Mapping[str, str]) -> RawRequest:
    """Return an unsigned request with a form as its body: for samples."""
    return RawRequest(urlencode(form).encode(), (("Content-Type", "application/x-www-form-urlencoded"),))


def stored_request(headers: Mapping[str, str], body: bytes) -> RawRequest:
    """Return a request as the inbox stores it: with the stored headers alone, and without a query."""
    return RawRequest(body, tuple(headers.items()))
