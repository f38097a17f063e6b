"""Slack's user ids in the contacts of a plan: they mention a person in Slack, and say who pressed a button there."""

from __future__ import annotations

import re

_USER = re.compile(r"<?@?([UW][A-Z0-9]{4,20})>?")


def slack_user_id(address: str) -> str | None:
    """Return the user id in a contact, as `U024BE7LH` or `<@U024BE7LH>`; None for a handle, a name or a blank."""
    found = _USER.fullmatch(address.strip())
    return found.group(1) if found else None
