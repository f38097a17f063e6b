"""People's addresses as parameters have them: each well formed, at least one, and none twice."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator

from allclear.domain.notify.delivery import from_command_line
from allclear.domain.text import is_visible, plain, printable
from allclear.vendors.lengths import shortened
from allclear.vendors.smtp import ADDRESS

_LONGEST = 254
"""RFC 5321, 4.5.3.1.3, without the two brackets."""
_LONGEST_SUBJECT = 300
MOST_RECIPIENTS = 100
"""RFC 5321, 4.5.3.1.8: every server takes as many recipients of one message."""


def _checked(addresses: list[str]) -> list[str]:
    """Return the addresses without spaces around them. Raises ValueError."""
    found = [one.strip() for one in addresses]
    if not found:
        raise ValueError("the list of people is empty; name at least one e-mail address")
    if len(found) > MOST_RECIPIENTS:
        raise ValueError(f"these are {len(found)} addresses; one message goes to {MOST_RECIPIENTS} at most")
    for one in found:
        if not is_address(one):
            raise ValueError(f"{one!r} is not an e-mail address; write it as ana@example.com")
    twice = sorted({one for one in found if [other.lower() for other in found].count(one.lower()) > 1})
    if twice:
        raise ValueError(f"{twice[0]} stands in the list twice; name each person once")
    return found


def is_address(text: str) -> bool:
    """Return whether `text` is an e-mail address that all mail servers take."""
    return len(text) <= _LONGEST and re.fullmatch(ADDRESS, text) is not None


def _one_line(text: str) -> str:
    text = text.strip()  # a template's file ends with a line break
    if "\r" in text or "\n" in text:
        raise ValueError("it stands in a header of the message and must be one line; take the line break out")
    found = plain(text, len(text))
    if text and not is_visible(found):
        raise ValueError("nothing of it can be seen; write what the message is about")
    return found


def _readable(text: str) -> str:
    """Return a text without signs that no reader sees, of which some end a message or cannot be sent."""
    found = printable(text)
    if not is_visible(found):
        raise ValueError("nothing of it can be seen; write what the recipients are to read")
    return found


People = Annotated[list[str], BeforeValidator(from_command_line), AfterValidator(_checked)]
OneLine = Annotated[str, AfterValidator(_one_line)]
"""A text that becomes a header: a line break in it could begin another header."""
Subject = Annotated[OneLine, AfterValidator(lambda text: shortened(text, _LONGEST_SUBJECT))]
"""A subject, cut to what people read: a template can make it longer, and the message must not be lost for that."""
Readable = Annotated[str, AfterValidator(_readable)]
"""A text of several lines."""
