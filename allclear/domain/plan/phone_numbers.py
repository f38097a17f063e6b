"""Phone numbers in international form (E.164), as `+4915112345678`: how people write them, and what vendors want."""

from __future__ import annotations

import re

_NUMBER = re.compile(r"\+[1-9][0-9]{6,14}")
_BETWEEN = re.compile(r"[\s().\-/\u2010-\u2015]+")
"""What people write between the digits."""
_LOCAL = re.compile(r"\(0\)")
"""The zero of `+49 (0) 151`, which is not dialled from abroad."""

WANTED = "Write it with the country, as +4915112345678."
"""The next step for a number in another form."""


def e164(text: str) -> str:
    """Return a phone number as `+4915112345678`, without what people write between the digits; empty if it is none."""
    bare = _BETWEEN.sub("", _LOCAL.sub("", text.strip()))
    return bare if _NUMBER.fullmatch(bare) else ""


def not_a_number(text: str) -> str:
    """Return the sentence for a text that is no phone number in international form."""
    return f"`{text.strip()}` is no phone number in international form."
