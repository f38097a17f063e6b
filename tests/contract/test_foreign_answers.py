"""Every client of every vendor, when something else answers in the vendor's place: a redirect, or a login page.

The clients are those that the installed actions and probes name, so a new one has to be added here.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from google.auth.exceptions import GoogleAuthError
from pydantic import SecretStr

from allclear.cli.responder_client import request
from allclear.domain.action import Client
from allclear.domain.errors import AllclearError, VendorRefused
from allclear.domain.systems import Access
from allclear.engine.actions.registry import Registry
from allclear.prefect_api import PrefectApi
from allclear.responder.limits import Limits
from allclear.responder.readiness import ReadinessCheck
from allclear.responder.workers.heartbeat import Heartbeat
from allclear.responder.workers.supervisor import Supervisor
from allclear.vendors.github_issues import Issues
from allclear.vendors.github_pulls import Pulls
from allclear.vendors.github_workflows import Workflows
from allclear.vendors.google_http import token_for
from allclear.vendors.jira import Status, Transition
from allclear.vendors.slack import APP_TOKEN, SlackMessage
from tests.patience import HUNG

SECRET = "canary-1123581321"
NOW = datetime(2026, 11, 28, 3, 0, tzinfo=UTC)
OPTIONS: dict[str, dict[str, Any]] = {
    "cloud_run": {"project": "vintstreet-prod", "region": "us-central1", "transport": "rest"},
    "cloud_logging": {"project": "vintstreet-prod"},
    "cloud_armor": {"project": "vintstreet-prod"},
    "cloud_monitoring": {"project": "vintstreet-prod"},
    "pagerduty_rest": {"service": "PSERVICE", "requester": "ana@example.com"},
    "statuspage": {"page": "vintstreet"},
    "jira": {"email": "allclear@example.com", "project": "OPS"},
    "twilio": {"account": f"AC{'5' * 32}", "number": "+15005550006"},
}
POSTED = SlackMessage(channel="C0123456789", ts="1.000001", text="")
PAYLOAD = {"key": "VS-1"}
DONE = Transition(id="31", name="Done", to=Status.model_validate({"name": "Done", "statusCategory": {"key": "done"}}))

CALLS: dict[str, list[Callable[[Any], Awaitable[object]]]] = {
    "cloud_run": [
        lambda run: run.service("vintstreet"),
        lambda run: run.revisions("vintstreet"),
        lambda run: run.may("vintstreet", "run.services.update"),
        lambda run: run.set_traffic("vintstreet", (), "etag"),
    ],
    "cloud_logging": [lambda logs: logs.traffic_moves("vintstreet-prod", "us-central1", "vintstreet", now=NOW)],
    "cloud_monitoring": [
        lambda metrics: metrics.requests(
            "vintstreet-prod", "us-central1", "vintstreet", until=NOW, window=timedelta(minutes=5)
        )
    ],
    "supabase": [lambda flags: flags.enabled("live"), lambda flags: flags.set("live", to=False, seen=True)],
    "supabase_management": [
        lambda supabase: supabase.project("ref"),
        lambda supabase: supabase.unhealthy("ref"),
        lambda supabase: supabase.window("ref"),
        lambda supabase: supabase.recovery("ref"),
        lambda supabase: supabase.migrations("ref"),
        lambda supabase: supabase.restore("ref", NOW),
        lambda supabase: supabase.undo("ref", "point"),
        lambda supabase: supabase.mark("ref", "point"),
        lambda supabase: supabase.point_status("ref", "point"),
    ],
    "cloud_armor": [
        lambda armor: armor.policy("shop"),
        lambda armor: armor.policy_of("shop"),
        lambda armor: armor.deny("shop", 1, ["192.0.2.1/32"], "notes"),
        lambda armor: armor.deny("shop", 1, ["192.0.2.1/32"], "notes", validate_only=True),
        lambda armor: armor.narrow("shop", 1, ["192.0.2.1/32"]),
        lambda armor: armor.remove("shop", 1),
    ],
    "convex": [
        lambda convex: convex.state(),
        lambda convex: convex.variables(),
    ],
    "http": [lambda own: own.value("", "/switch", "/on", "look")],
    "slack": [
        lambda slack: slack.post("C0123456789", "text", PAYLOAD),
        lambda slack: slack.update(POSTED, "text", PAYLOAD),
        lambda slack: slack.read("C0123456789", "1.000001"),
        lambda slack: slack.replies(POSTED),
        lambda slack: slack.find("C0123456789", "VS-1"),
        lambda slack: slack.find("#incidents", "VS-1"),
        lambda slack: slack.check_readable("C0123456789"),
        lambda slack: slack.tell("C0123456789", "U0123456789", "text"),
        lambda slack: slack.open_view("trigger", {}),
        lambda slack: slack.open_socket(),
        lambda slack: slack.scopes(),
    ],
    "pagerduty": [
        lambda pager: pager.trigger("VS-1", "text", source="allclear", severity="critical", details={}),
        lambda pager: pager.acknowledge("VS-1"),
        lambda pager: pager.resolve("VS-1"),
    ],
    "pagerduty_rest": [
        lambda pager: pager.find("VS-1"),
        lambda pager: pager.open("VS-1", "text", people=["PBEN123"], details=""),
        lambda pager: pager.change("P123456", "resolved"),
        lambda pager: pager.find_holding("VS-1"),
        lambda pager: pager.alert_keys("P123456"),
        lambda pager: pager.ask("P123456", "text", people=["PBEN123"], policy=None),
        lambda pager: pager.cancel("P123456", people=["PBEN123"], policy=None),
        lambda pager: pager.on_call("P123456"),
        lambda pager: pager.read("user", "P123456"),
        lambda pager: pager.may_ask(),
    ],
    "statuspage": [
        lambda page: page.find("VS-1"),
        lambda page: page.components(),
        lambda page: page.create("VS-1", name="n", status="investigating", message="m", components={}),
        lambda page: page.update("abc", status="resolved", message="m"),
        lambda page: page.subscribers(),
        lambda page: page.post_mortem("1"),
        lambda page: page.publish_post_mortem("1", "Why.", notify=False),
        lambda page: page.revert_post_mortem("1"),
    ],
    "vercel": [
        lambda vercel: vercel.project("app"),
        lambda vercel: vercel.serving("retailgen.ai", "app"),
        lambda vercel: vercel.deployments("app"),
        lambda vercel: vercel.roll_back("app", "dpl_1", "reason"),
        lambda vercel: vercel.promote("app", "dpl_1"),
    ],
    "twilio": [
        lambda twilio: twilio.send_text("+4915112345678", "t"),
        lambda twilio: twilio.text("SM1"),
        lambda twilio: twilio.texts_to("+4915112345678"),
        lambda twilio: twilio.call("+4915112345678", "<Response/>"),
        lambda twilio: twilio.phone_call("CA1"),
        lambda twilio: twilio.own_number(),
    ],
    "teams": [lambda teams: teams.post({"type": "message"})],
    "jira": [
        lambda jira: jira.find("RG-1"),
        lambda jira: jira.ticket("OPS-1"),
        lambda jira: jira.create(summary="s", text="t", labels=[], assignee=None),
        lambda jira: jira.transitions("OPS-1"),
        lambda jira: jira.move("OPS-1", DONE),
        lambda jira: jira.assign("OPS-1", None),
        lambda jira: jira.accounts("ben@example.com"),
        lambda jira: jira.may_create(),
    ],
    "github": [
        lambda github: github.repository("acme/shop"),
        lambda github: github.head("acme/shop", "main"),
        lambda github: github.commit("acme/shop", "main"),
        lambda github: github.commits("acme/shop", "main", 10),
        lambda github: github.create_commit("acme/shop", message="m", tree="t", parent="p", made_at=NOW),
        lambda github: github.create_branch("acme/shop", "b", "sha"),
        lambda github: github.delete_branch("acme/shop", "b"),
        lambda github: Pulls(github, "acme/shop").pull(1),
        lambda github: Pulls(github, "acme/shop").newest("main"),
        lambda github: Pulls(github, "acme/shop").of_commit("sha"),
        lambda github: Pulls(github, "acme/shop").checks("sha"),
        lambda github: Pulls(github, "acme/shop").revert("PR_1", 1, "title", "body"),
        lambda github: Pulls(github, "acme/shop").create(title="t", head="h", base="main", body="b"),
        lambda github: Pulls(github, "acme/shop").close(1),
        lambda github: Pulls(github, "acme/shop").merge(1, "sha", "merge"),
        lambda github: Issues(github, "acme/shop").newest(),
        lambda github: Issues(github, "acme/shop").issue(1),
        lambda github: Issues(github, "acme/shop").create(title="t", body="b", labels=[], assignees=[]),
        lambda github: Issues(github, "acme/shop").set_state(1, is_open=False),
        lambda github: Workflows(github, "acme/shop").workflow("deploy.yml"),
        lambda github: Workflows(github, "acme/shop").text("deploy.yml", "main"),
        lambda github: Workflows(github, "acme/shop").runs("deploy.yml"),
        lambda github: Workflows(github, "acme/shop").run(1),
        lambda github: Workflows(github, "acme/shop").dispatch("deploy.yml", "main", {}),
    ],
}
"""System -> every call of its client that sends something."""
OF_ANY_ANSWER: dict[str, list[Callable[[Any], Awaitable[object]]]] = {
    "http": [lambda own: own.write("", "PUT", "/switch", json={"on": False}, purpose="switch", key="VS-1")],
    "convex": [
        lambda convex: convex.pause(),
        lambda convex: convex.unpause(),
        lambda convex: convex.set_variable("NAME", "value"),
    ],
}
"""System -> writes whose answer can be anything, because a read proves them."""


def clients() -> dict[str, type[Client]]:
    """Return the clients of all installed actions and probes, by system. Services themselves are no vendors."""
    registry = Registry.installed()
    kinds = [*registry.actions.values(), *registry.probes.values()]
    return {client.system: client for kind in kinds for client in (*kind.needs, *kind.uses)}


@dataclass
class Web:
    """A server that gives one answer to everything, and stores what it was asked."""

    answer: str
    requests: list[str] = field(default_factory=list[str])
    port: int = 0

    @asynccontextmanager
    async def running(self) -> AsyncGenerator[None]:
        """Listen on a free port of this machine."""
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        async with server:
            yield

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode(errors="replace")
        except asyncio.IncompleteReadError:
            head = ""
        self.requests.append(head)
        writer.write(self.answer.encode())
        await writer.drain()
        writer.close()


def web(status: str, body: str, *headers: str) -> Web:
    """Return a server that answers with `status`, `body` and `headers`."""
    lines = [f"HTTP/1.1 {status}", *headers, f"content-length: {len(body)}", "connection: close", "", body]
    return Web("\r\n".join(lines))


def connected(kind: type[Client], port: int) -> Client:
    """Return a client of that kind, aimed at a server of the test."""
    plain = kind.system == "cloud_run"
    return kind.connect(
        Access(
            name=kind.system,
            endpoint=f"127.0.0.1:{port}" if plain else f"http://127.0.0.1:{port}",
            secret=SecretStr(SECRET),
            more={APP_TOKEN: SecretStr(SECRET)} if kind.system == "slack" else {},
            options=OPTIONS.get(kind.system, {}),
            simulated=True,
        )
    )


def test_every_installed_client_is_tried_here() -> None:
    """A client that is not listed would be a way for a secret to leave."""
    speaks_smtp = {"email"}  # no web page and no redirect can answer there: tests/contract/test_actions_email.py
    assert set(clients()) - speaks_smtp == set(CALLS)


@pytest.mark.parametrize("system", CALLS)
@pytest.mark.parametrize("status", ["302 Found", "307 Temporary Redirect", "308 Permanent Redirect"])
async def test_no_client_follows_a_redirect(system: str, status: str) -> None:
    """The other host hears nothing, neither the request nor the secret, and every call fails."""
    other = web("200 OK", '{"ok": true}', "content-type: application/json")
    async with other.running():
        first = web(status, "", f"location: http://127.0.0.1:{other.port}/stolen")
        async with first.running():
            client = connected(clients()[system], first.port)
            for call in (*CALLS[system], *OF_ANY_ANSWER.get(system, [])):
                with pytest.raises(AllclearError) as failed:
                    await call(client)
                assert SECRET not in str(failed.value)
            await client.close()
    assert other.requests == []
    assert first.requests


async def _prefect(address: str) -> None:
    prefect = PrefectApi(f"{address}/api", "vintstreet")
    assert not await prefect.ready()
    with pytest.raises(AllclearError):
        await prefect.start("respond", {}, "VS-1/respond", name="VS-1 respond", tags=[])
    await prefect.close()


async def _heartbeat(address: str) -> None:
    ready = ReadinessCheck(Readable(), Supervisor(), Limits(journal_seconds=HUNG))  # pyright: ignore[reportArgumentType]
    heartbeat = Heartbeat(f"{address}/ping/{SECRET}", 60, ready)
    await heartbeat.beat()
    await heartbeat.close()


async def _command_line(address: str) -> None:
    headers = {"Authorization": f"Bearer {SECRET}"}
    status, _ = await asyncio.to_thread(request, address, "POST", "/incidents/VS-1/acknowledge", b"{}", headers, HUNG)
    assert status in {302, 307, 308}


async def _google_sign_in(address: str) -> None:
    token = token_for(Access(name="cloud_logging", endpoint="https://logging.googleapis.com"), "a-scope")
    assert token is not None
    with pytest.raises(GoogleAuthError):
        await asyncio.to_thread(token)
    assert address


class Readable:
    """A journal that can be read and written."""

    def check_writable(self) -> None:
        """Find nothing wrong."""


OWN = [_prefect, _heartbeat, _command_line, _google_sign_in]
"""The clients that no action has: of Prefect, a dead-man's switch, our own responder and Google's sign-in."""


@pytest.mark.parametrize("call", OWN)
@pytest.mark.parametrize("status", ["302 Found", "307 Temporary Redirect", "308 Permanent Redirect"])
async def test_no_client_of_our_own_follows_a_redirect(
    call: Callable[[str], Awaitable[None]], status: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither a personal token, nor Prefect's password, nor the address that silences the alarm goes along."""
    monkeypatch.setenv("PREFECT_API_AUTH_STRING", f"allclear:{SECRET}")
    other = web("200 OK", '{"ok": true}', "content-type: application/json")
    async with other.running():
        first = web(status, "", f"location: http://127.0.0.1:{other.port}/stolen")
        async with first.running():
            address = f"http://127.0.0.1:{first.port}"
            account = service_account(f"{address}/token")
            (tmp_path / "account.json").write_text(json.dumps(account))
            monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(tmp_path / "account.json"))
            await call(address)
    assert other.requests == []
    assert first.requests


def service_account(token_uri: str) -> dict[str, str]:
    """Return a service account of Google's whose tokens come from `token_uri`."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    email = "allclear@vintstreet-prod.iam.gserviceaccount.com"
    fields = {"type": "service_account", "client_email": email, "private_key": pem, "token_uri": token_uri}
    return fields | {"project_id": "vintstreet-prod", "private_key_id": "1", "client_id": "1"}


@pytest.mark.parametrize("system", CALLS)
@pytest.mark.parametrize(
    ("body", "kind"), [("<!doctype html><title>Sign in</title>", "text/html"), ("[]", "application/json")]
)
async def test_a_good_status_with_a_foreign_answer_is_no_success(system: str, body: str, kind: str) -> None:
    """A login page, or JSON of another shape, proves nothing: every write fails, and no read finds anything."""
    page = web("200 OK", body, f"content-type: {kind}")
    async with page.running():
        client = connected(clients()[system], page.port)
        for call in CALLS[system]:
            if body == "[]" and system in (
                "statuspage",
                "supabase",
                "github",
                "jira",
            ):  # the vendor's own word for "nothing"
                continue
            with pytest.raises(AllclearError) as failed:
                await call(client)
            assert failed.value.next_step
        await client.close()


async def test_a_page_that_a_login_page_answers_was_not_accepted() -> None:
    """The page failed, so it may be sent again: PagerDuty would ignore a second one with the same key."""
    page = web("200 OK", "<html>", "content-type: text/html")
    async with page.running():
        client: Any = connected(clients()["pagerduty"], page.port)
        with pytest.raises(VendorRefused, match="answered 200 with a web page"):
            await client.acknowledge("VS-1")
        await client.close()
