"""What Slack sends when a person presses a button, sends a form, or types a command.

*Source:* docs.slack.dev/reference/interaction-payloads, /interactivity/implementing-slash-commands (2026-11). Slack
adds fields at any time, so unknown ones are ignored.
"""

from __future__ import annotations

from typing import Any, cast

from pydantic import BaseModel, ConfigDict, Field, ValidationError


class _Payload(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)


class _Named(_Payload):
    id: str = Field(default="", max_length=40)


class User(_Payload):
    """The person who acts; Slack's signature, or its connection to us, vouches for the id."""

    id: str = Field(pattern=r"^[UW][A-Z0-9]{2,30}$")
    team_id: str = Field(default="", max_length=40)


class ButtonAction(_Payload):
    """The button that was pressed."""

    action_id: str = ""
    value: str = Field(default="", max_length=2000)
    action_ts: str = Field(default="", max_length=40)


class _Message(_Payload):
    ts: str = ""
    thread_ts: str = ""


class Press(_Payload):
    """A pressed button."""

    user: User
    team: _Named | None = None
    channel: _Named = _Named()
    message: _Message = _Message()
    actions: list[ButtonAction] = Field(min_length=1)
    trigger_id: str = ""

    @property
    def thread(self) -> str:
        """Return the thread in which the message stands, or that would stand under it."""
        return self.message.thread_ts or self.message.ts


class _View(_Payload):
    id: str = Field(min_length=1, max_length=60)
    callback_id: str = ""
    private_metadata: str = Field(default="", max_length=3000)
    state: dict[str, Any] = {}


class Submission(_Payload):
    """A form that was sent."""

    user: User
    team: _Named | None = None
    view: _View

    def entered(self, block: str) -> str:
        """Return what was typed or chosen in the input of that block; empty if nothing was."""
        values = cast("dict[str, dict[str, dict[str, Any]]]", self.view.state.get("values") or {})
        element: dict[str, Any] = next(iter((values.get(block) or {}).values()), None) or {}
        chosen: dict[str, Any] = element.get("selected_option") or {}
        return str(element.get("value") or chosen.get("value") or "").strip()


class Typed(_Payload):
    """A command that was typed."""

    command: str
    text: str = Field(default="", max_length=8000)
    user_id: str = Field(pattern=r"^[UW][A-Z0-9]{2,30}$")
    team_id: str = Field(default="", max_length=40)
    channel_id: str = Field(default="", max_length=40)
    trigger_id: str = Field(default="", max_length=200)


Received = Press | Submission | Typed


def read_interaction(payload: object) -> Received | None:
    """Return a press or a form; None for another kind, which Slack may send and we do not use.

    Raises ValueError if it is none that Slack sends.
    """
    fields = cast("dict[str, Any]", payload) if isinstance(payload, dict) else {}
    kinds: dict[str, type[Press | Submission]] = {"block_actions": Press, "view_submission": Submission}
    if not isinstance(fields.get("type"), str):
        raise ValueError("it names no type")  # noqa: TRY004 - the sender reads it as one kind of error
    kind = kinds.get(fields["type"])
    try:
        return kind.model_validate(fields) if kind else None
    except ValidationError as error:
        raise ValueError("its fields do not fit") from error


def read_command(fields: object) -> Typed:
    """Return a command. Raises ValueError if it is none that Slack sends."""
    try:
        return Typed.model_validate(fields)
    except ValidationError as error:
        raise ValueError("its fields do not fit") from error
