"""One request of a monitoring system, as plain data: what came over the wire, before anybody looked at what it says."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl

from allclear.responder.strict_json import decode

MOST_FIELDS = 200
"""A form or a query with more fields is not read."""

Pairs = tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class RawRequest:
    """Its body byte for byte, its headers with what stands twice, and its query as it was sent."""

    body: bytes
    headers: Pairs = ()
    query: str = ""

    def header(self, name: str) -> str:
        """Return a header, or the empty string for one that is missing or stands twice."""
        found = self.header_values(name)
        return found[0] if len(found) == 1 else ""

    def header_values(self, name: str) -> list[str]:
        """Return what stands under `name`, in any case, once for each time that it was sent."""
        wanted = name.lower()
        return [value for key, value in self.headers if key.lower() == wanted]

    def query_values(self, name: str) -> list[str]:
        """Return what the query says of `name`; nothing for a query that cannot be read."""
        try:
            return [value for key, value in fields(self.query) if key == name]
        except ValueError:
            return []

    def json(self) -> Any:  # noqa: ANN401 - decoded JSON
        """Return the body as strict JSON. Raises ValueError."""
        return decode(self.body)

    def form(self) -> dict[str, str]:
        """Return the body as a form's fields. Raises ValueError for a field that stands twice, or too many."""
        pairs = fields(self.body.decode("utf-8", errors="replace"))
        found = dict(pairs)
        if len(found) != len(pairs):
            msg = "a field stands twice in the form"
            raise ValueError(msg)
        return found

    @property
    def is_form(self) -> bool:
        """Return whether the body calls itself a form."""
        return self.header("content-type").lower().startswith("application/x-www-form-urlencoded")


def fields(text: str) -> list[tuple[str, str]]:
    """Return the names and values of a form or query. Raises ValueError for more than there may be."""
    return parse_qsl(text, keep_blank_values=True, max_num_fields=MOST_FIELDS)


def kept(headers: Mapping[str, str], body: bytes) -> RawRequest:
    """Return the request again from what the inbox keeps of it: no query, and the kept headers alone."""
    return RawRequest(body, tuple(headers.items()))
