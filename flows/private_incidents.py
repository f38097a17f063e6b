"""What Prefect shows of a private incident: its id and the link to its page, and nothing of what it is about."""

from __future__ import annotations

from allclear.bootstrap import Engine
from allclear.domain.incident import Incident
from allclear.domain.links import LinkTo
from allclear.domain.privacy import is_private


def in_prefect(engine: Engine, incident: Incident, text: str) -> str:
    """Return `text`, or in its place for a private incident where to read it: Prefect knows no readers."""
    return private_text(engine, incident) if is_private(engine.company.plan, incident) else text


def private_text(engine: Engine, incident: Incident) -> str:
    """Return where a private incident can be read, as a sentence."""
    page = engine.links.href(LinkTo(incident=incident.id))
    return f"{incident.id} is private. Read and answer it on its page: {page}"
