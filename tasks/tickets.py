"""Whether a ticket is opened, for every tracker alike: it may be made, opened again, or closed by people meanwhile."""

from __future__ import annotations

from typing import Literal

Standing = Literal["none", "open", "closed"]
"""How a ticket stands in its tracker; `none` if there is none of our name."""


def is_opened(before: Standing, now: Standing) -> bool:
    """Return whether a ticket that stood as `before` was opened by us, as it stands `now`.

    A ticket that was not there before and is closed was opened, and people have closed it since. One that was closed
    before must be open.
    """
    return now == "open" or (before == "none" and now == "closed")
