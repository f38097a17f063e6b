"""Socket Mode: a press arrives over the responder's own connection, which comes back after each kind of fault."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest
from pydantic import SecretStr

from allclear.domain.errors import Unreachable, VendorError
from allclear.domain.systems import Access
from allclear.responder.slack import socket_mode
from allclear.responder.slack.handler import SlackHandler
from allclear.responder.slack.socket_mode import SlackSocket, has_socket
from allclear.simulator.faults import Fault
from allclear.vendors.slack import Slack
from tests.patience import until
from tests.scenario.response_support import vintstreet
from tests.scenario.slack_support import ANA, SlackScene, slack_scene, with_slack


@asynccontextmanager
async def connected(slack: SlackScene) -> AsyncGenerator[None]:
    """Run the worker on the engine of the scene."""
    handler = SlackHandler(slack.it.engine, lambda: None)
    worker = asyncio.create_task(SlackSocket(slack.it.engine, handler.start).run())
    try:
        yield
    finally:
        worker.cancel()
        with suppress(asyncio.CancelledError):
            await worker
        await handler.finish()


async def test_a_press_over_the_connection_approves(tmp_path: Path) -> None:
    """It is acknowledged at once and counts once, also if Slack sends it again after a new connection."""
    async with slack_scene(tmp_path) as slack, connected(slack):
        await until(lambda: slack.workspace.sockets)
        pressed = slack.people.press(slack.card("roll-back"), "Approve", ANA)
        envelope = await slack.workspace.deliver("interactive", pressed)
        await until(lambda: envelope in slack.workspace.acknowledged)
        await slack.answered()
        first = slack.workspace.sockets[-1]
        await slack.workspace.refresh_sockets()
        await until(lambda: slack.workspace.sockets and slack.workspace.sockets[-1] is not first)
        again = await slack.workspace.deliver("interactive", pressed)
        await until(lambda: again in slack.workspace.acknowledged)
        typed = slack.people.command(slack.workspace.channels[0], "note VS-1 It works.", ANA)
        await slack.workspace.deliver("slash_commands", typed)
        assert await slack.told(ANA) == ["Noted in VS-1."]
        assert len(slack.answers()) == 1


async def test_the_connection_comes_back_after_each_fault(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Limited, refused, failing, a web page of a proxy, an answer that is lost; and a payload that cannot be read."""
    monkeypatch.setattr(socket_mode, "_LONGEST_PAUSE", 0.05)
    async with slack_scene(tmp_path) as slack:
        for kind in ("rate_limited", "permission_denied", "server_error", "login_page", "unavailable", "answer_lost"):
            fault = {"api": "slack", "method": "apps.connections.open", "kind": kind, "seconds": 1}
            slack.it.simulated.world.faults.set(Fault.model_validate(fault))
        async with connected(slack):
            await until(lambda: slack.workspace.sockets)
            assert slack.it.simulated.world.faults.waiting() == []
            await slack.workspace.deliver("interactive", {"type": "block_actions"})
            await slack.workspace.deliver("interactive", slack.people.press(slack.card("roll-back"), "Deny", ANA))
            (answer,) = await slack.answered()
            assert not answer.yes


def test_the_worker_runs_only_if_systems_yaml_names_the_app_token() -> None:
    """Otherwise the responder opens no connection."""

    class WithCompany:
        """An engine, as far as the question goes."""

        def __init__(self, company: object) -> None:
            self.company = company

    assert has_socket(WithCompany(with_slack()))  # pyright: ignore[reportArgumentType]
    assert not has_socket(WithCompany(vintstreet()))  # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize(
    ("endpoint", "error"),
    [
        ("http://127.0.0.1:9/api/", Unreachable),  # refused
        ("http://nowhere.invalid/api/", VendorError),  # DNS
        ("https://127.0.0.1:{port}/api/", VendorError),  # TLS
    ],
)
async def test_a_slack_that_cannot_be_reached_says_so(tmp_path: Path, endpoint: str, error: type[Exception]) -> None:
    """Connecting, telling a person and opening a form each end in one sentence with a next step."""
    async with slack_scene(tmp_path) as slack:
        port = slack.it.simulated.endpoints["slack"].rpartition(":")[2].partition("/")[0]
        access = Access(
            name="slack",
            endpoint=endpoint.format(port=port),
            secret=SecretStr("xoxb-1"),
            more={"app_token": SecretStr("xapp-1")},
            simulated=True,
        )
        client = Slack.connect(access)
        try:
            for call in (client.open_socket(), client.tell("C0000001", ANA, "Hello."), client.open_view("1.2", {})):
                with pytest.raises(error) as failure:
                    await call
                assert "xapp-1" not in str(failure.value)
                assert getattr(failure.value, "next_step", "")
        finally:
            await client.close()
