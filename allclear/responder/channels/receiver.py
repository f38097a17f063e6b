"""The port for what people do in a channel: its routes and its worker, without a change in the responder.

A channel names its receiver (`Channel.receiver`), so that one entry point brings the messages that go out and the
answers that come in. The receiver is made once, when the responder starts.
"""

from __future__ import annotations

import pkgutil
from abc import ABC
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any, NamedTuple, cast

from fastapi import APIRouter

from allclear.bootstrap import Engine
from allclear.domain.errors import ConfigError
from allclear.domain.notify.channel import Channel
from allclear.responder.limits import Limits


class ReceiverServices(NamedTuple):
    """What the responder gives to a receiver."""

    engine: Engine
    limits: Limits
    call_soon: Callable[[Callable[[], object]], None]
    """Calls a function on the loop of the background workers, from any thread."""
    written: Callable[[], None]
    """Called on that loop after something was written, so that the background workers go on at once."""


class Worker(NamedTuple):
    """A loop of a receiver, which the supervisor restarts."""

    name: str
    run: Callable[[], Awaitable[Any]]
    """It reports progress (`supervisor.report_progress`) while it works."""


class Receiver(ABC):  # noqa: B024 - each part may be left out
    """What people do in one channel, as it comes in."""

    def __init__(self, channel: Channel, services: ReceiverServices) -> None:
        self.channel = channel
        self.services = services

    def routes(self) -> APIRouter:
        """Return the routes to which the channel sends what people do. Each request must be proven to be its own."""
        return APIRouter()

    def workers(self) -> Iterable[Worker]:
        """Return the loops that keep a connection to the channel."""
        return ()

    async def finish(self) -> None:  # noqa: B027 - a receiver that has begun nothing waits for nothing
        """Wait for the work that has begun. It is called on the loop of the background workers."""


def receivers_of(channels: Mapping[str, Channel], services: ReceiverServices) -> list[Receiver]:
    """Return the receivers of the installed channels. Raises ConfigError for one that cannot be loaded."""
    return [_receiver(channel, services) for channel in channels.values() if channel.receiver]


def _receiver(channel: Channel, services: ReceiverServices) -> Receiver:
    try:
        kind = cast("type[Receiver]", pkgutil.resolve_name(channel.receiver))
    except (ImportError, AttributeError, ValueError) as error:
        raise ConfigError(
            f"The receiver of the channel {channel.name} ({channel.receiver}) cannot be loaded: {error}.",
            "Correct or uninstall its package.",
        ) from error
    return kind(channel, services)
