"""What a page says when a request failed, or when no one has signed in."""

from __future__ import annotations

from allclear.domain.errors import AllclearError, JournalError, NotFound


def status_of(error: AllclearError) -> int:
    """Return the status of the answer that says why a request failed."""
    if isinstance(error, NotFound):
        return 404
    return 503 if isinstance(error, JournalError) else 403


TITLES = {404: "There is no such page", 503: "The journal does not answer", 403: "Nothing was done"}

OPEN_LINK = (
    "Open your personal link: it is in the page or message that you received, and the command allclear link makes one. "
    "A link opens the page of one incident, and no other."
)
ONE_PAGE = "A personal link opens the page of one incident. On the command line the list is: allclear incidents."
NEW_LINK = "To come back, open a new personal link, which this makes: allclear link {incident} {signature}."
DECLARE_ELSEWHERE = (
    "A personal link is for one incident. Declare it in Slack with /incident, or on the command line: allclear respond."
)
LIST = "the list of incidents"
DECLARING = "the form to declare an incident"
