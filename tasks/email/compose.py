"""How our e-mails are written: their headers and their ids.

*Source:* RFC 5322 (Message-ID, In-Reply-To, References), RFC 3834 (`Auto-Submitted`, so that no out-of-office answers),
Microsoft's `X-Auto-Response-Suppress` for Exchange, 2026-11. The Message-ID is made from our key: the same message has
the same id however often it is sent, so that a mailbox can tell a repeat. RFC 5322 3.6.4 asks for a unique id and says
nothing about case. Its left side is a `dot-atom`, whose case counts (RFC 5536 3.1.3 compares octets); its right side is
most often a domain, whose case does not (RFC 1035); some programs ignore case throughout. So two of our ids differ by
more than case, and the id of a repeat is the same byte for byte.
"""

from __future__ import annotations

import re
from datetime import datetime
from email.headerregistry import Address, Group
from email.message import EmailMessage
from email.utils import format_datetime

from allclear.domain.base import digest
from allclear.vendors.smtp import MESSAGE_POLICY, Smtp

_OF_INCIDENT = re.compile(r"[A-Z][A-Z0-9]*-[A-Z]*[0-9]+[a-z0-9.-]*")
"""A key of an incident's message, as VS-12-stakeholders. Two such keys never differ by case alone."""


def message_id(key: str, domain: str) -> str:
    """Return the Message-ID of the message with our `key`, in small letters.

    Two keys never have one id, also not for a program that ignores case: a key of another form than an incident's gets
    a hash of itself.
    """
    name = re.sub(r"[^A-Za-z0-9.-]+", "-", key).strip("-.")
    name = re.sub(r"[.]{2,}", ".", name)
    if name != key or not _OF_INCIDENT.fullmatch(key):
        name = f"{name}.{digest(key)[:8]}".lstrip(".")
    return f"<{name}@{domain}>".lower()


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
