"""Saying something in Slack: posted once, and later changed in place.

The key travels in the message's metadata together with a fingerprint of the text: Slack rewrites links in what it gives
back, so the text itself would not compare.
"""

from __future__ import annotations

from datetime import timedelta
from typing import ClassVar

from pydantic import Field
from typing_extensions import override

from allclear.domain.action import Action, Change, Client, Fence, Finding, Params, Receipt, State, Verdict
from allclear.domain.approval import ApprovalPolicy
from allclear.domain.base import digest
from allclear.domain.errors import Refused
from allclear.vendors.slack import Slack, SlackMessage

DEADLINE = timedelta(seconds=15)
NEWLINE = "\n"


class MessageParams(Params):
    """What to say, where, and under which key it is found again."""

    message: str = Field(min_length=1, max_length=200, description="Our key for the message, as VS-1.")
    text: str = Field(min_length=1, description="What it says.")
    channel: str | None = Field(default=None, description="A channel's name or id; the system's own if left out.")


class MessageState(State):
    """A message of ours; `said` is the fingerprint of its text, None while it is not posted."""

    incidental: ClassVar[frozenset[str]] = frozenset({"channel_id", "ts", "text"})

    channel: str
    key: str
    said: str | None = None
    channel_id: str = ""
    ts: str = ""
    text: str = ""

    @override
    def say(self) -> str:
        return self.text.strip().partition("\n")[0] or "nothing posted"


class PostMessage(Action[MessageParams, MessageState]):
    """Tells a channel something, or brings what it was told up to date."""

    name = "slack.post"
    title = "Post in Slack"
    params = MessageParams
    state = MessageState
    needs: ClassVar[tuple[type[Client], ...]] = (Slack,)
    fence = Fence.NONE
    approval: ClassVar[ApprovalPolicy | None] = None
    speaks = ("text",)

    @override
    def resource(self, params: MessageParams) -> str:
        return f"message:{self._channel(params)}/{params.message}"

    @override
    async def observe(self, params: MessageParams) -> MessageState:
        channel = self._channel(params)
        found = await self.context.client(Slack).find(channel, params.message)
        if found is None:
            return MessageState(channel=channel, key=params.message)
        said = str(found.payload.get("said") or "unknown")
        return MessageState(
            channel=channel, key=params.message, said=said, channel_id=found.channel, ts=found.ts, text=found.text
        )

    @override
    def plan(self, params: MessageParams, before: MessageState) -> Change[MessageState]:
        verb = "Update the message in" if before.ts else "Post in"
        return Change(
            action=self.name,
            resource=self.resource(params),
            summary=f"{verb} #{before.channel}: {params.text.strip().partition(NEWLINE)[0]}",
            before=before,
            after=before.model_copy(update={"said": digest(params.text)[:16], "text": params.text}),
            risk="Everyone in the channel reads it.",
            undo="Cannot be unsaid: post a correction.",
            deadline=DEADLINE,
        )

    @override
    async def apply(self, params: MessageParams, change: Change[MessageState], key: str) -> Receipt:
        slack, before, after = self.context.client(Slack), change.before, change.after
        payload = {"key": params.message, "said": after.said or "", "act": key}
        if before.ts:
            known = SlackMessage(channel=before.channel_id, ts=before.ts, text=before.text)
            done = await slack.update(known, after.text, payload)
        else:
            done = await slack.post(after.channel, after.text, payload)
        return Receipt(facts={"channel": done.channel, "ts": done.ts})

    @override
    def verify(self, change: Change[MessageState], after: MessageState, receipt: Receipt | None) -> Finding:
        # The channel is the proof.
        if after.said == change.after.said:
            return Finding(verdict=Verdict.SUCCESS, sentence="It stands in the channel.", facts={"ts": after.ts})
        return Finding(verdict=Verdict.INCONCLUSIVE, sentence="It does not stand in the channel yet.")

    @override
    def undo(self, params: MessageParams, done: Change[MessageState], now: MessageState) -> Change[MessageState]:
        # It has none.
        raise Refused("What was said in Slack cannot be unsaid.", f"Post a correction under {params.message}.")

    def _channel(self, params: MessageParams) -> str:
        return (params.channel or self.context.client(Slack).channel).removeprefix("#")
