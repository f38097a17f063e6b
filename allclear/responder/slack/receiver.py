"""Slack's receiver: its two routes, and the connection of Socket Mode if systems.yaml names an app token."""

from __future__ import annotations

from collections.abc import Iterable

from fastapi import APIRouter
from typing_extensions import override

from allclear.bootstrap import Engine
from allclear.domain.errors import ConfigError
from allclear.domain.notify.channel import Channel
from allclear.responder.channels.receiver import Receiver, ReceiverServices, Worker
from allclear.responder.slack.handler import SlackHandler
from allclear.responder.slack.routes import SlackServices, slack_routes
from allclear.responder.slack.socket_mode import SlackSocket, has_socket
from allclear.vendors.slack import SIGNING_SECRET, Slack


class SlackReceiver(Receiver):
    """What people do in Slack."""

    def __init__(self, channel: Channel, services: ReceiverServices) -> None:
        super().__init__(channel, services)
        self._handler = SlackHandler(services.engine, services.written)

    @override
    def routes(self) -> APIRouter:
        services, start = self.services, self._handler.start
        return slack_routes(
            SlackServices(
                signing_secret=lambda: _further_secret(services.engine, SIGNING_SECRET),
                limits=services.limits,
                start=lambda received: services.call_soon(lambda: start(received)),
            )
        )

    @override
    def workers(self) -> Iterable[Worker]:
        if has_socket(self.services.engine):
            yield Worker("slack-socket", SlackSocket(self.services.engine, self._handler.start).run)

    @override
    async def finish(self) -> None:
        await self._handler.finish()


def _further_secret(engine: Engine, name: str) -> str:
    """Return a further secret of Slack; empty if systems.yaml does not name it or its variable is not set."""
    try:
        secret = engine.context.access(Slack.system).more.get(name)
    except ConfigError:
        return ""
    return secret.get_secret_value() if secret else ""
