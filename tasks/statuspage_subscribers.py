"""Which subscribers of the status page are notified, in the words that are shown to the person who approves."""

from __future__ import annotations

from allclear.domain.errors import AllclearError
from allclear.vendors.statuspage import Statuspage

_KINDS = {"email": "e-mail", "sms": "SMS", "slack": "Slack", "teams": "Teams", "integration_partner": "integration"}


async def counted(site: Statuspage) -> dict[str, int] | None:
    """Return the page's subscribers by type; None if they cannot be counted, which stops no message."""
    try:
        return await site.subscribers()
    except AllclearError:
        return None


def whom(subscribers: dict[str, int] | None, *, notify: bool) -> str:
    """Return who can read it, as a sentence for the person who approves it."""
    if not notify:
        return "It is public, and no subscriber is notified."
    if subscribers is None:
        return "It is public, and subscribers are notified; how many there are could not be read."
    if not subscribers:
        return "It is public, and subscribers are notified: the page has none."
    kinds = ", ".join(f"{count:,} by {_KINDS.get(kind, kind)}" for kind, count in subscribers.items())
    return f"It is public, and {sum(subscribers.values()):,} subscribers are notified ({kinds})."
