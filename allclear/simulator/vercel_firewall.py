"""The firewall of the simulated project on Vercel: its rules for addresses, a person's draft, and attack mode.

What it keeps to:

- A change of the configuration acts at once and makes a new version; it neither publishes nor changes a draft.
- A rule for addresses takes one address, or a range that is not wider than /16 (IPv4) or /48 (IPv6). *Source:* the
  vendor's own command line, read November 2026. A second rule for the same addresses is accepted. (Our choice.)
- A project has a limited number of rules for addresses. (From memory: 10 on the Hobby plan, 100 on Pro.)
- Attack mode that has run out is still shown with its end, which has passed. (Our choice: the harder one.)
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from ipaddress import IPv4Network, ip_network
from typing import Any

from allclear.simulator.event_log import Clock, iso

_WIDEST_IPV4, _WIDEST_IPV6 = 16, 48
_LONGEST_NOTES = 500
_RULES = {"hobby": 10, "pro": 100}
_MANAGED = ("sd", "ma", "lfi", "rfi", "rce", "php", "gen", "xss", "sqli", "sf", "java")

Rule = dict[str, Any]


class FirewallError(Exception):
    """A refusal of the firewall: a status, a code and a sentence."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(status, code, message)
        self.status, self.code, self.message = status, code, message


@dataclass
class AttackMode:
    """Whether every visitor is challenged, and until when."""

    enabled: bool = False
    until: datetime | None = None
    updated_at: datetime | None = None


@dataclass
class VercelFirewall:
    """The published configuration, the draft beside it, and attack mode."""

    plan: str
    owner: str
    project: str
    clock: Clock
    enabled: bool = True
    version: int = 1
    updated_at: datetime | None = None
    rules: list[Rule] = field(default_factory=list[Rule])
    """Custom rules, as the vendor writes them."""
    addresses: list[Rule] = field(default_factory=list[Rule])
    """The rules for addresses: `id`, `hostname`, `ip`, `action`, `notes`."""
    draft: list[Rule] = field(default_factory=list[Rule])
    """The changes that a person has prepared and not published."""
    attack: AttackMode = field(default_factory=AttackMode)
    denied: list[tuple[str, str, int]] = field(default_factory=list[tuple[str, str, int]])
    """What the firewall has denied or challenged lately: address, action, count."""

    def blocked(self) -> list[str]:
        """Return the addresses and ranges that are denied on every host."""
        return [rule["ip"] for rule in self.addresses if (rule["action"], rule["hostname"]) == ("deny", "*")]

    @property
    def challenges(self) -> bool:
        """Return whether every visitor is challenged now."""
        return self.attack.enabled and (self.attack.until is None or self.attack.until > self.clock())

    def insert(self, value: Rule) -> None:
        """Add a rule for addresses.

        Raises FirewallError: 400 or 402; nothing was changed.
        """
        _require_valid(value)
        if len(self.addresses) >= _RULES[self.plan]:
            raise FirewallError(402, "payment_required", "You have reached the limit of IP rules of your plan.")
        self._touch()
        self.addresses.append({"id": f"ip_{self.version}_{len(self.addresses)}", **value})

    def remove(self, rule_id: object) -> None:
        """Remove a rule for addresses.

        Raises FirewallError: 404; nothing was changed.
        """
        kept = [rule for rule in self.addresses if rule["id"] != rule_id]
        if len(kept) == len(self.addresses):
            raise FirewallError(404, "not_found", "The IP rule was not found.")
        self._touch()
        self.addresses = kept

    def challenge(self, *, on: bool, until: datetime | None) -> None:
        """Switch attack mode."""
        self.attack = AttackMode(on, until if on else None, self.clock())

    def shown(self) -> dict[str, Any]:
        """Return the published configuration as the vendor shows it."""
        return self._config("active", self.addresses, [])

    def shown_draft(self) -> dict[str, Any] | None:
        """Return the draft as the vendor shows it; None if there is none."""
        return self._config("draft", self.addresses, self.draft) if self.draft else None

    def _config(self, name: str, addresses: list[Rule], changes: list[Rule]) -> dict[str, Any]:
        return {
            "ownerId": self.owner,
            "projectKey": self.project,
            "id": f"waf_{name}",
            "version": self.version,
            "updatedAt": iso(self.updated_at or self.clock()),
            "firewallEnabled": self.enabled,
            "crs": {one: {"active": False, "action": "log"} for one in _MANAGED},
            "rules": self.rules,
            "ips": addresses,
            "changes": changes,
            "managedRules": {},
        }

    def _touch(self) -> None:
        self.version += 1
        self.updated_at = self.clock()


def _require_valid(value: Rule) -> None:
    notes = value.get("notes", "")
    if value.get("action") not in ("deny", "challenge", "log", "bypass") or not value.get("hostname"):
        raise FirewallError(400, "bad_request", "Invalid request: `value` is not a rule for addresses.")
    if not isinstance(notes, str) or len(notes) > _LONGEST_NOTES:
        raise FirewallError(400, "bad_request", "Invalid request: `notes` is too long.")
    try:
        network = ip_network(str(value.get("ip")), strict=False)
    except ValueError:
        raise FirewallError(400, "bad_request", "Invalid request: `ip` is no address.") from None
    widest = _WIDEST_IPV4 if isinstance(network, IPv4Network) else _WIDEST_IPV6
    if network.prefixlen < widest:
        raise FirewallError(400, "bad_request", f"Invalid request: the net mask cannot be less than /{widest}.")
