"""Posting a message in Slack once, and updating it in place later.

The message's metadata holds our key and a fingerprint of the text. The text itself cannot be compared, because Slack
rewrites the links in it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import timedelta
from functools import partial
from typing import ClassVar

from pydantic import Field
from typing_extensions import override

from allclear.domain.action import Action, Change, Client, Fence, Finding, Params, Receipt, State, Verdict
from allclear.domain.approval import ApprovalPolicy
from allclear.domain.base import digest
from allclear.domain.errors import Denied, Refused
from allclear.domain.preflight import Passed, PlannedUse, Preflight, PreflightCheck
from allclear.domain.systems import Service
from allclear.vendors.slack import Slack, SlackMessage

DEADLINE = timedelta(seconds=15)
NEWLINE = "\n"


class MessageParams(Params):
    """The text, the channel, and the key by which the message is found again."""

    message: str = Field(min_length=1, max_length=200, description="Our key for the message, as VS-1.")
    text: str = Field(min_length=1, description="The text of the message.")
    channel: str | None = Field(default=None, description="A channel's name or id; the system's own if left out.")


class MessageState(State):
    """A message of ours; `fingerprint` is that of its text, None until it is posted."""

    incidental: ClassVar[frozenset[str]] = frozenset({"channel_id", "ts", "text"})

    channel: str
    key: str
    fingerprint: str | None = None
    channel_id: str = ""
    ts: str = ""
    text: str = ""

    @override
    def in_words(self) -> str:
        return self.text.strip().partition("\n")[0] or "nothing posted"


class SlackPreflight(Preflight):
    """Tests the token, its permissions, and each channel that the plan names."""

    client: ClassVar[type[Client]] = Slack

    @override
    def checks(self, services: Mapping[str, Service], uses: list[PlannedUse]) -> Iterator[PreflightCheck]:
        slack = self.context.client(Slack)
        yield PreflightCheck("token", partial(self._token, slack))
        named = [str(use.params.get("channel") or slack.channel).removeprefix("#") for use in uses]
        for channel in dict.fromkeys(name for name in named if "{" not in name):
            yield PreflightCheck(f"#{channel}", partial(self._channel, slack, channel))

    async def _token(self, slack: Slack) -> Passed:
        scopes = await slack.scopes()
        if scopes and "chat:write" not in scopes:
            raise Denied("The token lacks the scope chat:write, so it cannot post.", "Add it, and reinstall the app.")
        return Passed("The token is valid" + (" and may post." if scopes else "."))

    async def _channel(self, slack: Slack, channel: str) -> Passed:
        await slack.check_readable(channel)
        return Passed("The bot is in the channel and can read it.")


class PostMessage(Action[MessageParams, MessageState]):
    """Posts a message in a channel, or updates it."""

    name = "slack.post"
    title = "Post in Slack"
    params = MessageParams
    state = MessageState
    needs: ClassVar[tuple[type[Client], ...]] = (Slack,)
    preflights: ClassVar[tuple[type[Preflight], ...]] = (SlackPreflight,)
    fence = Fence.NONE
    approval: ClassVar[ApprovalPolicy | None] = None
    text_params = ("text",)
    tells = True

    @override
    def resource(self, params: MessageParams) -> str:
        return f"message:{self._channel(params)}/{params.message}"

    @override
    async def observe(self, params: MessageParams) -> MessageState:
        channel = self._channel(params)
        found = await self.context.client(Slack).find(channel, params.message)
        if found is None:
            return MessageState(channel=channel, key=params.message)
        fingerprint = str(found.payload.get("fingerprint") or "unknown")
        return MessageState(
            channel=channel,
            key=params.message,
            fingerprint=fingerprint,
            channel_id=found.channel,
            ts=found.ts,
            text=found.text,
        )

    @override
    def plan(self, params: MessageParams, before: MessageState) -> Change[MessageState]:
        verb = "Update the message in" if before.ts else "Post in"
        return Change(
            action=self.name,
            resource=self.resource(params),
            summary=f"{verb} #{before.channel}: {params.text.strip().partition(NEWLINE)[0]}",
            before=before,
            after=before.model_copy(update={"fingerprint": digest(params.text)[:16], "text": params.text}),
            risk="Everyone in the channel can read it.",
            undo="It cannot be undone: post a correction.",
            deadline=DEADLINE,
        )

    @override
    async def apply(self, params: MessageParams, change: Change[MessageState], key: str) -> Receipt:
        slack, before, after = self.context.client(Slack), change.before, change.after
        payload = {"key": params.message, "fingerprint": after.fingerprint or "", "act": key}
        if before.ts:
            posted = SlackMessage(channel=before.channel_id, ts=before.ts, text=before.text)
            done = await slack.update(posted, after.text, payload)
        else:
            done = await slack.post(after.channel, after.text, payload)
        return Receipt(facts={"channel": done.channel, "ts": done.ts})

    @override
    def verify(self, change: Change[MessageState], after: MessageState, receipt: Receipt | None) -> Finding:
        if after.fingerprint == change.after.fingerprint:
            return Finding(verdict=Verdict.SUCCESS, sentence="The message is in the channel.", facts={"ts": after.ts})
        return Finding(verdict=Verdict.INCONCLUSIVE, sentence="The message is not in the channel yet.")

    @override
    def undo(self, params: MessageParams, done: Change[MessageState], now: MessageState) -> Change[MessageState]:
        raise Refused("A message in Slack cannot be undone.", f"Post a correction under {params.message}.")

    def _channel(self, params: MessageParams) -> str:
        return (params.channel or self.context.client(Slack).channel).removeprefix("#")
