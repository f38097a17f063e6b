"""A second channel, as another package adds it: this one file, and one entry point."""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from typing import Any, ClassVar

from fastapi import APIRouter, Header, HTTPException
from pydantic import BaseModel, Field
from typing_extensions import override

from allclear.domain.notify.channel import Channel, Post, read_button
from allclear.responder.channels.answers import ChannelAnswers
from allclear.responder.channels.receiver import Receiver


class Chat(Channel):
    """A chat whose users are known by their handles."""

    name: ClassVar[str] = "chat"
    contact: ClassVar[str] = "chat"
    action: ClassVar[str] = "chat.post"
    receiver: ClassVar[str] = f"{__name__}:ChatReceiver"

    @override
    def params(self, summary: Mapping[str, Any], post: Post) -> dict[str, Any]:
        return {"under": summary["message"], "key": post.key, "text": post.text}


class Press(BaseModel):
    """What the chat sends when a person presses a button."""

    id: str
    user: str
    value: str
    reason: str = Field(default="", description="What the person typed beside it.")


class ChatReceiver(Receiver):
    """Takes presses that carry the chat's secret, and answers with the sentence that the chat shows to the person."""

    @override
    def routes(self) -> APIRouter:
        router, answers = APIRouter(), ChannelAnswers(self.services.engine, self.channel)
        secret = self.services.engine.context.secret("CHAT_SECRET")

        async def press(sent: Press, chat_secret: str = Header("")) -> dict[str, str]:
            if not secret or not hmac.compare_digest(chat_secret, secret):
                raise HTTPException(401, "It does not carry the chat's secret.")
            button = read_button(sent.value)
            if button is None:
                raise HTTPException(400, "It is no button of ours.")
            try:
                return {"said": await answers.answer(button, sent.user, f"chat:{sent.id}", sent.reason)}
            finally:
                self.services.call_soon(self.services.written)

        router.add_api_route("/chat/presses", press, methods=["POST"])
        return router
