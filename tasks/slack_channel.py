"""Slack as the channel in which a team talks: its messages are acts of `slack.post`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from typing_extensions import override

from allclear.domain.notify.channel import Channel, Post
from allclear.domain.proof import Proof
from tasks.slack import PostMessage


class SlackChannel(Channel):
    """A thread under the summary message, in the channel in which that message stands."""

    name: ClassVar[str] = "slack"
    contact: ClassVar[str] = "slack"
    action: ClassVar[str] = PostMessage.name
    receiver: ClassVar[str] = "allclear.responder.slack.receiver:SlackReceiver"
    proof: ClassVar[Proof] = Proof.SLACK

    @override
    def params(self, summary: Mapping[str, Any], post: Post) -> dict[str, Any]:
        under = str(summary["message"])
        params: dict[str, Any] = {"message": f"{under}/{post.key}", "thread": under, "text": post.text}
        if summary.get("channel"):
            params["channel"] = summary["channel"]
        if post.people:
            params["people"] = post.people
        if post.card:
            params["card"] = post.card.model_dump(mode="json")
        return params
