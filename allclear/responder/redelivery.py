"""Has a delivery looked at once more: one that could not be understood then, and perhaps can be now."""

from __future__ import annotations

from allclear.domain.errors import Refused
from allclear.journal.ports import Journal

AGAIN = ("quarantined", "ignored")
"""What may be tried again. The others have an incident, or are about to be read."""


def retry_delivery(journal: Journal, delivery: str) -> None:
    """Put a delivery back among those that wait to be read; its words and what they proved are as they were.

    Raises NotFound, and Refused for one that became something.
    """
    state = journal.delivery(delivery).state
    if state not in AGAIN:
        raise Refused(f"The alert {delivery} is {state}.", f"Only what is {' or '.join(AGAIN)} can be tried again.")
    journal.set_delivery_state(delivery, "new", "Somebody asked to look at it again.")
