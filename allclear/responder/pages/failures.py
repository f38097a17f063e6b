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
    "Open your personal link: it is in the page or message that you received, and the command `allclear link` makes "
    "one. A link opens the page of one incident, and no other."
)
NEW_LINK = "To come back, open a new personal link, which this makes: `allclear link {incident} {signature}`."
LIST = "the list of incidents"
DECLARING = "the form to declare an incident"

_WITHOUT_PROXY = "Send your personal token, which `allclear token NAME` makes, in the header `Authorization: Bearer`."
_ELSEWHERE = {
    LIST: "A personal link opens the page of one incident. On the command line the list is: `allclear incidents`.",
    DECLARING: "A personal link is for one incident. Without signing in, declare it in Slack with `/incident`, or on "
    "the command line with `allclear respond`.",
}
"""The pages that a personal link does not open -> what to do instead."""


def how_to_sign_in(what: str, *, has_proxy: bool) -> str:
    """Return how a reader gets in, for a page that shows `what`: the list, the form to declare, or one incident."""
    if what not in _ELSEWHERE:
        return f"{OPEN_LINK} Or sign in through your company's identity proxy." if has_proxy else OPEN_LINK
    if has_proxy:
        return f"Sign in through your company's identity proxy. Or: {_WITHOUT_PROXY} {_ELSEWHERE[what]}"
    no_proxy = "No identity proxy is set up here; with one, people sign in without a token."
    return f"{_WITHOUT_PROXY} {no_proxy} {_ELSEWHERE[what]}"
