"""How our e-mails are written: their headers and their ids.

*Source:* RFC 5322 (Message-ID, In-Reply-To, References), RFC 3834 (`Auto-Submitted`, so that no out-of-office answers),
Microsoft's `X-Auto-Response-Suppress` for Exchange, 2026-11. The Message-ID is made from our key: the same message has
the same id however often it is sent, so that a mailbox can tell a repeat.
"""

from __future__ import annotations

import re
from datetime import datetime
from email.headerregistry import Address, Group
from email.message import EmailMessage
from email.utils import format_datetime

from allclear.domain.base import digest
from allclear.vendors.smtp import MESSAGE_POLICY, Smtp


def message_id(key: str, domain: str) -> str:
    """Return the Message-ID of the message with our `key`."""
    name = re.sub(r"[^A-Za-z0-9.-]+", "-", key).strip("-.")
    name = re.sub(r"[.]{2,}", ".", name)
    if name != key:  # two keys must never have one id
        name = f"{name}.{digest(key)[:8]}".lstrip(".")
    return f"<{name.lower()}@{domain}>"


def composed(  # noqa: PLR0913 - the parts of a message
    client: Smtp,
    key: str,
    *,
    people: list[str],
    subject: str,
    text: str,
    at: datetime,
    thread: str | None = None,
    apart: bool = False,
) -> EmailMessage:
    """Return a message to `people`, in the thread of the message with the key `thread`.

    `apart` is whether its recipients must not read each other's addresses.
    """
    message = EmailMessage(policy=MESSAGE_POLICY)
    message["From"] = Address(client.sender_name, addr_spec=client.sender)
    message["To"] = Group("undisclosed-recipients", ()) if apart else ", ".join(people)
    message["Subject"] = subject
    message["Date"] = format_datetime(at)
    message["Message-ID"] = message_id(key, client.domain)
    if thread and thread != key:
        message["In-Reply-To"] = message["References"] = message_id(thread, client.domain)
    message["Auto-Submitted"] = "auto-generated"
    message["X-Auto-Response-Suppress"] = "All"
    message.set_content(text if text.endswith("\n") else f"{text}\n")
    return message
