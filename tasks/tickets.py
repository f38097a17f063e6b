"""Whether we have opened a ticket: one rule for every tracker. People may have closed it since."""

from __future__ import annotations

from typing import Literal

Standing = Literal["none", "open", "closed"]
"""How a ticket stands in its tracker; `none` if there is none of our name."""


def is_opened(before: Standing, now: Standing) -> bool:
    """Return whether we have opened a ticket, by how it stood before our write and how it stands `now`.

    A ticket that was not there before and is closed was opened, and people have closed it since. One that was closed
    before must be open.
    """
    return now == "open" or (before == "none" and now == "closed")
