"""Everything that the simulated mail server took: the messages, as they would lie in people's mailboxes."""

from __future__ import annotations

from dataclasses import dataclass
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from functools import cached_property
from typing import Any


@dataclass(frozen=True)
class Mail:
    """One message that the server took."""

    sender: str
    recipients: tuple[str, ...]
    """Those whom the server accepted."""
    content: bytes

    @cached_property
    def message(self) -> EmailMessage:
        """Return the message, read by Python's own parser."""
        return message_from_bytes(self.content, policy=default)

    @cached_property
    def text(self) -> str:
        """Return its plain text; empty if it has none."""
        part = self.message.get_body(preferencelist=("plain",))
        return str(part.get_content()) if part is not None else ""

    @cached_property
    def invitation(self) -> str:
        """Return the calendar that it carries, as text; empty if it carries none."""
        parts = [one for one in self.message.walk() if one.get_content_type() == "text/calendar"]
        return str(parts[0].get_content()) if parts else ""

    def as_facts(self) -> dict[str, Any]:
        """Return what the event log and the control API say of it."""
        headers = {name: str(value) for name, value in self.message.items()}
        return {
            "from": self.sender,
            "to": list(self.recipients),
            "subject": headers.get("Subject", ""),
            "message_id": headers.get("Message-ID", ""),
            "headers": headers,
            "text": self.text,
            "invitation": self.invitation,
        }
