"""Slack's methods for one person: messages that only one person sees, and forms."""

from __future__ import annotations

import time
from typing import Any, cast
from uuid import uuid4

from allclear.simulator.apis.http_api import as_object
from allclear.simulator.slack_people import TRIGGER_LIVES
from allclear.simulator.slack_workspace import Message, SlackWorkspace

_TITLE, _MOST_BLOCKS, _METADATA = 24, 100, 3000


def post_ephemeral(workspace: SlackWorkspace, arguments: dict[str, Any]) -> tuple[Message, str]:
    """Show a message to one person, and return the answer, or the error."""
    channel = workspace.by_id(str(arguments.get("channel")))
    if channel is None:
        return {}, "channel_not_found"
    if not arguments.get("user"):
        return {}, "user_not_in_channel"
    if not arguments.get("text") and not arguments.get("blocks"):
        return {}, "no_text"
    ts = workspace.show(channel, str(arguments["user"]), arguments)
    return {"message_ts": ts}, ""


def open_view(workspace: SlackWorkspace, arguments: dict[str, Any]) -> tuple[Message, str]:
    """Open a form for the person whose action the trigger is, and return the answer, or the error."""
    view, trigger = as_object(arguments.get("view")), str(arguments.get("trigger_id"))
    issued = workspace.triggers.get(trigger)
    if issued is None:
        return {}, "invalid_trigger_id"
    if trigger in workspace.used_triggers:
        return {}, "exchanged_trigger_id"
    if time.monotonic() - issued > TRIGGER_LIVES:
        return {}, "expired_trigger_id"
    if view is None or not _is_view(view):
        return {}, "invalid_arguments"
    if len(str(view)) > 250_000:  # noqa: PLR2004 - the documented 250 KB
        return {}, "view_too_large"
    workspace.used_triggers.add(trigger)
    opened = {**view, "id": f"V{uuid4().hex[:10].upper()}", "team_id": workspace.team_id}
    workspace.views.append(opened)
    return {"view": opened}, ""


def _is_view(view: Message) -> bool:
    blocks = view.get("blocks")
    title = str((as_object(view.get("title")) or {}).get("text", ""))
    if view.get("type") != "modal" or not 1 <= len(title) <= _TITLE or not isinstance(blocks, list):
        return False
    listed = cast("list[Message]", blocks)
    has_inputs = any(block.get("type") == "input" for block in listed)
    return (
        1 <= len(listed) <= _MOST_BLOCKS
        and len(str(view.get("private_metadata", ""))) <= _METADATA
        and (not has_inputs or bool(view.get("submit")))
    )
