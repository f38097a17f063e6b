"""What stands in place of a phase in acts, questions and steps that belong to none of the runbook's phases.

Each is stored in the journal, where a phase would stand, and is part of the ids of acts and questions. None of them is
entered or left: `allclear.domain.runbook.Phase` has the phases of the response.
"""

from __future__ import annotations

MANUAL = "manual"
"""Acts that people started themselves, outside the runbook."""

DUTY = "duty"
"""The questions and steps of the plan's duties, as informing a regulator."""

FACT = "fact"
"""The questions for facts that are not known and decide who is notified."""

RECOVERY = "recovery"
"""The checks and questions that follow when all alerts have resolved."""

REMINDER = "reminder"
"""Acts that send a reminder, or tell the pager what became of a page."""

LIVE_MESSAGE = "live-message"
"""Acts that keep a message up to date."""

THREAD = "thread"
"""Acts that post in a message's thread."""

TICKET = "ticket"
"""Acts that open and close tickets, of incidents and of follow-ups."""

NOTICE = "notice"
"""Acts that notify one person, as the plan's `notifications` ask for."""

MEETING = "meeting"
"""Acts that move or cancel the review's meeting, or change who is invited."""

MESSAGES = frozenset({REMINDER, LIVE_MESSAGE, THREAD, TICKET, NOTICE, MEETING})
"""Those of messages, tickets and meetings, which nothing waits for."""
