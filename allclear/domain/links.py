"""Links to the page of an incident, and whom each is for. `allclear.engine.people.personal_links` signs them."""

from __future__ import annotations

import re
from typing import Protocol

from pydantic import Field

from allclear.domain.base import Model, Moment


class LinkTo(Model):
    """Where a link leads, and who is signed in by opening it. It is stored instead of the link, which is a secret."""

    incident: str = Field(description="As VS-12.")
    person: str = Field(default="", description="The one person it is sent to; empty if many people can read it.")
    role: str = Field(default="", description="The role in which that person acts.")
    ask: str = Field(default="", description="The question that it is about, if it is about one.")
    paged: bool = Field(default=False, description="Whether it stands in a page, which others can read in the pager.")


class Revocation(Model):
    """Whose links, sign-ins and tokens are refused if they were signed before."""

    person: str = Field(default="", description="Empty: everyone's.")
    incident: str = Field(default="", description="Empty: for all incidents.")
    by: str
    reason: str
    at: Moment


class Links(Protocol):
    """Makes links. A message makes them when it is sent, so that no record contains one."""

    def href(self, to: LinkTo) -> str:
        """Return the address: personal and signed if `to` names a person, else the plain page, which asks who you are.

        Empty if the responder has no address that people can open.
        """
        ...

    def from_outside(self, path: str) -> str:
        """Return the address at which a vendor reaches a path of the responder; empty if none can."""
        ...


def with_link(text: str, to: LinkTo, links: Links) -> str:
    """Return `text` with the link at its end, or in place of the page's address if the text has that already."""
    href, page = links.href(to), links.href(LinkTo(incident=to.incident))
    if not href:
        return text
    address = re.compile(rf"(?<!\S){re.escape(page)}(?![^\s.,;)])")
    return address.sub(lambda _: href, text) if address.search(text) else f"{text.rstrip()}\n\n{href}"


class NoLinks:
    """Makes no links: for work that sends nothing to people."""

    def href(self, to: LinkTo) -> str:  # noqa: ARG002 - the port
        """Return nothing."""
        return ""

    def from_outside(self, path: str) -> str:  # noqa: ARG002 - the port
        """Return nothing."""
        return ""
