"""Posting a message in Slack once, and updating it in place later.

The message's metadata holds our key and a fingerprint of the text. The text itself cannot be compared, because Slack
rewrites the links in it. The record of the last act on the message holds its `ts`, by which it is found again; the
channel is searched only while the record has none.

A message in the thread of another one is a message like any other, with its own key; `thread` is the other one's key.
The people in `people` are mentioned. A message with a `card` asks a question, with buttons if Slack sends us what is
pressed; once the card is closed, the update takes them away. A link is made when the message is sent.

A text that is longer than an edit may be is shortened in the message, and stands whole in its thread, in parts that are
kept up to date too. The message itself is written last, so its fingerprint proves the whole text.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import timedelta
from functools import partial
from typing import ClassVar

from pydantic import Field
from typing_extensions import override

from allclear.domain.action import (
    Action,
    Change,
    Client,
    Fence,
    Finding,
    ParamProblem,
    Params,
    Receipt,
    State,
    Verdict,
)
from allclear.domain.approval import ApprovalPolicy
from allclear.domain.base import JsonDict, Model, digest
from allclear.domain.errors import Denied, Refused, VendorRefused
from allclear.domain.notify.channel import Card
from allclear.domain.plan.slack_ids import slack_user_id
from allclear.domain.preflight import Passed, PlannedUse, Preflight, PreflightCheck, Unproven
from allclear.domain.systems import Service
from allclear.vendors.lengths import head, in_parts
from allclear.vendors.slack import LONGEST_TEXT, NEEDED_SCOPES, Slack, SlackMessage, size
from allclear.vendors.slack_blocks import mentions, message_blocks
from tasks.permissions import SLACK_POST

DEADLINE = timedelta(seconds=15)
NEWLINE = "\n"
IN_THREAD = "… (the whole text is in the thread)"
"""Stands in a shortened message for what was left out."""
IN_RECORD = "… (the whole text is in the incident's record)"
"""The same in a reply, which has no thread of its own."""
LONGEST_REPLY = 3_600
"""Bytes of a reply's text: the rest of an edit's 4,000 is for mentions."""
_NOT_NEEDED = "(This part is empty now.)"
"""Stands in a part of the thread that a shorter text no longer needs."""


class MessageParams(Params):
    """The text, the channel, and the key by which the message is found again."""

    message: str = Field(min_length=1, max_length=200, description="Our key for the message, as VS-1.")
    text: str = Field(min_length=1, description="The text of the message.")
    channel: str | None = Field(default=None, description="A channel's name or id; the system's own if left out.")
    thread: str | None = Field(default=None, description="The key of the message in whose thread it stands.")
    people: list[str] = Field(default=[], description="The Slack user ids of the people whom it mentions.")
    card: Card | None = Field(default=None, description="The question that it asks.")


class Part(Model):
    """A part of a long text, in the message's thread."""

    ts: str
    fingerprint: str


class MessageState(State):
    """A message of ours; `fingerprint` is that of its text, None until it is posted."""

    incidental: ClassVar[frozenset[str]] = frozenset({"channel_id", "ts", "text", "parts"})

    channel: str
    key: str
    fingerprint: str | None = None
    channel_id: str = ""
    ts: str = ""
    text: str = ""
    parts: list[Part] = Field(default=[], description="The parts in its thread, in order.")

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
        yield PreflightCheck("buttons", partial(self._buttons, slack))
        if slack.has_app_token:
            yield PreflightCheck("app token", partial(self._app_token, slack))
        named = [str(use.params.get("channel") or slack.channel).removeprefix("#") for use in uses]
        for channel in dict.fromkeys(name for name in named if "{" not in name):
            yield PreflightCheck(f"#{channel}", partial(self._channel, slack, channel))

    async def _token(self, slack: Slack) -> Passed:
        scopes = await slack.scopes()
        if scopes and (missing := sorted(NEEDED_SCOPES - scopes)):
            raise Denied(
                f"The token lacks {' and '.join(missing)}, so it cannot post and find its messages.",
                "Add what is missing under OAuth & Permissions of the app, and install the app again.",
            )
        return Passed("The token is valid" + (" and has the scopes that allclear needs." if scopes else "."))

    async def _buttons(self, slack: Slack) -> Passed | Unproven:
        if slack.hears:
            return Passed("Slack can send what people press and type.")
        return Unproven(
            "Messages have no buttons, and /incident does nothing, because Slack has no secret to send with.",
            "Take the `#` from the line `secrets:` under `slack` in systems.yaml, as docs/how-to/slack.md says. "
            "Without it, people answer on the incident's page.",
        )

    async def _app_token(self, slack: Slack) -> Passed:
        await slack.open_socket()
        return Passed("The app token opens a connection (Socket Mode).")

    async def _channel(self, slack: Slack, channel: str) -> Passed:
        await slack.check_readable(channel)
        return Passed("The bot is in the channel and can read it.")


class PostMessage(Action[MessageParams, MessageState]):
    """Posts a message in a channel, or updates it."""

    name = "slack.post"
    title = "Post in Slack"
    permissions = (SLACK_POST,)
    usual_risk = "Everyone in the channel can read it."
    usual_undo = "It cannot be undone: post a correction."
    params = MessageParams
    state = MessageState
    needs: ClassVar[tuple[type[Client], ...]] = (Slack,)
    preflights: ClassVar[tuple[type[Preflight], ...]] = (SlackPreflight,)
    fence = Fence.NONE
    approval: ClassVar[ApprovalPolicy | None] = None
    text_params = ("text",)
    reaches: ClassVar[str | None] = "slack"
    tells = True

    @property
    def slack(self) -> Slack:
        """Return the client."""
        return self.context.client(Slack)

    @classmethod
    @override
    def check_params(cls, params: MessageParams, services: Mapping[str, Service]) -> Iterable[ParamProblem]:
        for person in params.people:
            if not slack_user_id(person):
                sentence = f"`{person}` is no user id of Slack, so the message would mention no one."
                next_step = (
                    "Write the id, as U024BE7LH. In Slack: the person's profile, the three dots, Copy member ID."
                )
                yield ParamProblem(param="people", sentence=sentence, next_step=next_step)

    @override
    def resource(self, params: MessageParams) -> str:
        return f"message:{self._channel(params)}/{params.message}"

    @override
    async def observe(self, params: MessageParams) -> MessageState:
        channel = self._channel(params)
        found = await self._find(params)
        if found is None:
            return MessageState(channel=channel, key=params.message)
        replies = await self.slack.replies(found) if found.payload.get("parts") else []
        return MessageState(
            channel=channel,
            key=params.message,
            fingerprint=str(found.payload.get("fingerprint") or "unknown"),
            channel_id=found.channel,
            ts=found.ts,
            text=found.text,
            parts=[
                Part(ts=reply.ts, fingerprint=str(reply.payload.get("fingerprint")))
                for reply in replies
                if reply.payload.get("part")
            ],
        )

    async def _find(self, params: MessageParams) -> SlackMessage | None:
        """Return our message: by the `ts` in the record, or else by its key among the channel's newest messages."""
        known = await asyncio.to_thread(self.context.record.last_state, self.resource(params), "ts")
        if params.thread:
            summary = await self._summary(params, params.thread)
            replies = await self.slack.replies(summary) if summary else []
            return next((reply for reply in replies if reply.payload.get("key") == params.message), None)
        found = await self.slack.read(str(known["channel_id"]), str(known["ts"])) if known else None
        # Without a record, or if a person has deleted the message and it was posted anew.
        return found or await self.slack.find(self._channel(params), params.message)

    async def _summary(self, params: MessageParams, key: str) -> SlackMessage | None:
        """Return the message in whose thread this one stands."""
        return await self._find(MessageParams(message=key, text=params.text, channel=params.channel))

    @override
    def plan(self, params: MessageParams, before: MessageState) -> Change[MessageState]:
        verb = "Update the message in" if before.ts else "Post in"
        return Change(
            action=self.name,
            resource=self.resource(params),
            summary=f"{verb} #{before.channel}: {params.text.strip().partition(NEWLINE)[0].rstrip(': ')}",
            before=before,
            after=before.model_copy(update={"fingerprint": _fingerprint_of(params), "text": params.text}),
            risk="Everyone in the channel can read it.",
            undo="It cannot be undone: post a correction.",
            deadline=DEADLINE,
        )

    @override
    async def apply(self, params: MessageParams, change: Change[MessageState], key: str) -> Receipt:
        if params.thread or params.card or params.people:
            return await self._apply_blocks(params, change, key)
        before, text = change.before, change.after.text
        long = size(text) > LONGEST_TEXT
        shown = head(text, LONGEST_TEXT, IN_THREAD, size) if long else text
        parts = in_parts(text, LONGEST_TEXT, size) if long else []
        payload: JsonDict = {"key": params.message, "fingerprint": change.after.fingerprint or "", "act": key}
        payload |= {"parts": len(parts)} if parts or before.parts else {}
        if before.ts:
            message = SlackMessage(channel=before.channel_id, ts=before.ts, text=before.text)
        else:
            # Until its thread is complete, the message does not have the fingerprint that proves the whole text.
            message = await self.slack.post(
                change.after.channel, shown, payload | ({"fingerprint": ""} if long else {})
            )
        await self._write_thread(message, before.parts, parts, key)
        if before.ts or parts:
            await self.slack.update(message, shown, payload)
        return Receipt(facts={"channel": message.channel, "ts": message.ts})

    async def _apply_blocks(self, params: MessageParams, change: Change[MessageState], key: str) -> Receipt:
        """Post or update a message that has more than its text; one that is too long for Slack is shortened."""
        before, text = change.before, change.after.text
        text = text if size(text) <= LONGEST_REPLY else head(text, LONGEST_REPLY, IN_RECORD, size)
        payload: JsonDict = {"key": params.message, "fingerprint": change.after.fingerprint or "", "act": key}
        href = self.context.links.href(params.card.link) if params.card else ""
        blocks = message_blocks(text, params.people, params.card, href, buttons=self.slack.hears)
        called = mentions(params.people)
        if before.ts:
            message = SlackMessage(channel=before.channel_id, ts=before.ts, text=before.text)
            message = await self.slack.update(message, text, payload, blocks=blocks, called=called)
        else:
            summary = await self._summary(params, params.thread) if params.thread else None
            if params.thread and summary is None:
                raise VendorRefused(
                    f"The message {params.thread} is not in #{change.after.channel}, so there is no thread to post in.",
                    f"Its text is in the record: allclear show {_incident_of(params.thread)}.",
                )
            message = await self.slack.post(
                summary.channel if summary else change.after.channel,
                text,
                payload,
                thread=summary.ts if summary else "",
                blocks=blocks,
                called=called,
            )
        return Receipt(facts={"channel": message.channel, "ts": message.ts})

    async def _write_thread(self, message: SlackMessage, shown: list[Part], parts: list[str], key: str) -> None:
        """Make the thread's parts hold `parts`: edit those that differ, post those that are missing."""
        wanted = [*parts, *[_NOT_NEEDED] * (len(shown) - len(parts))]
        for number, text in enumerate(wanted):
            payload = {"part": number + 1, "fingerprint": _fingerprint(text), "act": key}
            if number >= len(shown):
                await self.slack.post(message.channel, text, payload, thread=message.ts)
            elif shown[number].fingerprint != payload["fingerprint"]:
                part = SlackMessage(channel=message.channel, ts=shown[number].ts, text="")
                await self.slack.update(part, text, payload)

    @override
    def verify(self, change: Change[MessageState], after: MessageState, receipt: Receipt | None) -> Finding:
        if after.fingerprint == change.after.fingerprint:
            return Finding(verdict=Verdict.SUCCESS, sentence="The message is in the channel.", facts={"ts": after.ts})
        return Finding(verdict=Verdict.INCONCLUSIVE, sentence="The message is not in the channel yet.")

    @override
    def undo(self, params: MessageParams, done: Change[MessageState], now: MessageState) -> Change[MessageState]:
        raise Refused("A message in Slack cannot be undone.", f"Post a correction under {params.message}.")

    def _channel(self, params: MessageParams) -> str:
        return (params.channel or self.slack.channel).removeprefix("#")


def _incident_of(key: str) -> str:
    """Return the incident whose id a message's key begins with: VS-1 of VS-1-alert and of VS-1-customers."""
    found = re.match(r"[A-Za-z]+-\d+", key)
    return found[0] if found else key


def _fingerprint_of(params: MessageParams) -> str:
    """Return the fingerprint of all that people see of the message."""
    if not params.card and not params.people:
        return _fingerprint(params.text)
    card = params.card.model_dump(mode="json") if params.card else None
    return digest([params.text, params.people, card])[:16]


def _fingerprint(text: str) -> str:
    return digest(text)[:16]
