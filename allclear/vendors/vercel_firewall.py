"""Vercel's firewall: blocking addresses for one project, attack mode, and what the firewall has denied.

Source: Vercel's published description (vercel/sdk, 2025-10), its REST API reference (pages of 2025-11 to 2026-10), and
how the vendor's own command line uses it (github.com/vercel/vercel, packages/cli/src/util/firewall, 2026-11):
- `GET /v1/security/firewall/config?projectId=` shows `active` (null if nothing was ever configured) and `draft`, the
  changes that a person has prepared and not published. The command line works on the draft; we never do.
- `PATCH /v1/security/firewall/config?projectId=` {action, id, value} acts at once. `ip.insert` takes {action: deny,
  hostname, ip, notes}, `ip.remove` the rule's id. The answer's shape is not declared: read back.
- One rule has one address or range: at most /16 (IPv4) and /48 (IPv6), with notes of at most 500 characters.
- `POST /v1/security/attack-mode` {projectId, attackModeEnabled, attackModeActiveUntil in ms}. It challenges every
  visitor; the command line refuses to switch it on without a person.
- `GET /v1/security/firewall/events?projectId=` lists `actions` {public_ip, action_type, count}: what it has denied.

Not confirmed: how many rules each plan has (402 beyond them), and whether a second rule for one address is refused.
There is no idempotency key and no version to write against.
"""

from __future__ import annotations

from datetime import datetime

from pydantic import ConfigDict, Field, ValidationError

from allclear.domain.address_ranges import RangeLimits
from allclear.domain.base import JsonDict, Model, digest
from allclear.vendors.errors import VendorRequest
from allclear.vendors.http import Expected
from allclear.vendors.lengths import shortened
from allclear.vendors.vercel import READ, Vercel

EVERY_HOST = "*"
LIMITS = RangeLimits("Vercel", ipv4=16, ipv6=48)
LONGEST_NOTES = 500
_CONFIG = "/v1/security/firewall/config"
_ATTACK_MODE = Expected(frozenset({200}), dict, ("attackModeEnabled",))
_UNEXPECTED = "unexpected JSON"


class _Answer(Model):
    """An answer of Vercel, which may grow fields that we do not read."""

    model_config = ConfigDict(extra="ignore", frozen=True)


class AddressRule(_Answer):
    """A rule for one address or range."""

    id: str
    ip: str
    hostname: str
    action: str
    """deny, challenge, log or bypass."""
    notes: str | None = ""


class _Config(_Answer):
    """One configuration of the firewall."""

    enabled: bool = Field(alias="firewallEnabled")
    version: int = 0
    ips: tuple[AddressRule, ...]
    rules: list[JsonDict] = []
    changes: list[JsonDict] = []
    managed: JsonDict | None = Field(default=None, alias="managedRules")


class _Configs(_Answer):
    """The published configuration and the draft; each is null if there is none."""

    active: _Config | None
    draft: _Config | None = None


class Denied(_Answer):
    """An address on whose requests the firewall has acted lately."""

    address: str = Field(alias="public_ip")
    action: str = Field(alias="action_type")
    count: int = 0


class _Events(_Answer):
    actions: list[Denied]


class FirewallView(Model):
    """What the firewall does now, and what a person has prepared beside it."""

    enabled: bool = True
    rules: tuple[AddressRule, ...] = ()
    others: str = ""
    """A hash of everything else that is published: custom rules and managed rules."""
    unpublished: int = 0
    """How many changes stand in a draft."""


class Firewall:
    """The firewall of one account's projects."""

    def __init__(self, vercel: Vercel) -> None:
        self._vercel = vercel

    async def view(self, project_id: str) -> FirewallView:
        """Return what the firewall does for a project. Raises NotFound, Denied, VendorError."""
        request = VendorRequest("Vercel", "read the firewall", write=False)
        answer = await self._vercel.send(request, "GET", _CONFIG, {"projectId": project_id})
        try:
            configs = _Configs.model_validate(answer)
        except ValidationError:
            raise request.not_from_vendor(200, _UNEXPECTED) from None
        active, draft = configs.active, configs.draft
        return FirewallView(
            enabled=active.enabled if active else True,
            rules=active.ips if active else (),
            others=digest([active.rules, active.managed]) if active else "",
            unpublished=max(len(draft.changes), 1) if draft else 0,
        )

    async def deny(self, project_id: str, address: str, notes: str) -> None:
        """Deny every request from an address or range, at once, on every host of the project."""
        request = VendorRequest("Vercel", f"block {address}", write=True)
        value = {"action": "deny", "hostname": EVERY_HOST, "ip": address, "notes": shortened(notes, LONGEST_NOTES)}
        await self._patch(request, project_id, {"action": "ip.insert", "id": None, "value": value})

    async def remove(self, project_id: str, rule: AddressRule) -> None:
        """Remove one rule for an address or range, at once."""
        request = VendorRequest("Vercel", f"unblock {rule.ip}", write=True)
        await self._patch(request, project_id, {"action": "ip.remove", "id": rule.id, "value": None})

    async def attack_mode(self, project_id: str, until: datetime | None) -> None:
        """Challenge every visitor until that time; with None, switch it off."""
        request = VendorRequest("Vercel", f"switch attack mode {'on' if until else 'off'}", write=True)
        body: JsonDict = {"projectId": project_id, "attackModeEnabled": until is not None}
        if until is not None:
            body["attackModeActiveUntil"] = round(until.timestamp() * 1000)
        await self._vercel.send(request, "POST", "/v1/security/attack-mode", {}, body, _ATTACK_MODE)

    async def denied(self, project_id: str) -> list[Denied]:
        """Return the addresses on whose requests the firewall has acted lately, the most requests first."""
        request = VendorRequest("Vercel", "read what the firewall has denied", write=False)
        answer = await self._vercel.send(request, "GET", "/v1/security/firewall/events", {"projectId": project_id})
        try:
            actions = _Events.model_validate(answer).actions
        except ValidationError:
            raise request.not_from_vendor(200, _UNEXPECTED) from None
        return sorted(actions, key=lambda one: one.count, reverse=True)

    async def _patch(self, request: VendorRequest, project_id: str, body: JsonDict) -> None:
        await self._vercel.send(request, "PATCH", _CONFIG, {"projectId": project_id}, body, READ)
