"""The manifest of the Slack app in the documentation asks for the scopes that the code uses, and for no others."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import yaml

from allclear.vendors import slack
from allclear.vendors.slack import NEEDED_SCOPES
from tests.contract.simulator_support import REPOSITORY

SCOPES = {
    "auth.test": set[str](),
    "chat.postMessage": {"chat:write"},
    "chat.postEphemeral": {"chat:write"},
    "chat.update": {"chat:write"},
    "conversations.history": {"channels:history", "groups:history"},
    "conversations.replies": {"channels:history", "groups:history"},
    "conversations.list": {"channels:read", "groups:read"},
    "views.open": set[str](),
    "apps.connections.open": set[str](),  # needs the app token's own scope, connections:write
}
"""Method -> the scopes of a bot's token, for public and private channels. *Source:* docs.slack.dev, 2026-11."""


def manifest() -> dict[str, Any]:
    """Return the manifest in docs/how-to/slack.md."""
    text = (REPOSITORY / "docs" / "how-to" / "slack.md").read_text(encoding="utf-8")
    block = next(one for one in re.findall(r"```yaml\n(.*?)```", text, re.DOTALL) if "oauth_config" in one)
    return yaml.safe_load(block)


def test_the_manifest_has_the_scopes_of_the_methods_that_are_called() -> None:
    """`commands` is for `/incident`, which Slack sends by itself."""
    source = Path(str(slack.__file__)).read_text(encoding="utf-8")
    called = set(re.findall(r'"/?((?:auth|chat|conversations|views|apps|users|reactions|files)\.[\w.]+)"', source))
    assert called == set(SCOPES)
    needed = {scope for method in called for scope in SCOPES[method]}
    assert set(manifest()["oauth_config"]["scopes"]["bot"]) == needed | {"commands"}
    assert needed >= NEEDED_SCOPES


def test_the_manifests_addresses_are_routes_of_the_responder() -> None:
    """A press and a command arrive."""
    found = manifest()
    assert found["settings"]["interactivity"]["request_url"].endswith("/slack/interactions")
    assert [one["url"].rsplit(".com", 1)[1] for one in found["features"]["slash_commands"]] == ["/slack/commands"]
