"""The security policy of Cloud Armor before the simulated service: its rules, and the operations that change them.

What it keeps to:

- A change is an operation. It is accepted at once, and the rules show it when the operation is done; the fingerprint
  changes with it. *Source:* the discovery document compute v1 (November 2026).
- A rule has its own priority, at most 10 ranges, and an action `allow` or `deny(403)`, `deny(404)`, `deny(502)`. A
  second rule at a priority is refused, and so is one that is changed or removed where none is. (The words are from
  other people's reports of November 2026.)
- The last rule, at 2147483647, matches everything; it cannot be removed.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from ipaddress import ip_network
from typing import Any, cast

from allclear.simulator.event_log import Clock
from allclear.simulator.scenario_schema import ArmorSpec

LAST = 2_147_483_647
MOST_RANGES = 10
_ACTIONS = ("allow", "deny(403)", "deny(404)", "deny(502)")

Rule = dict[str, Any]


class ArmorError(Exception):
    """A refusal of the interface: a status, a reason and a sentence."""

    def __init__(self, status: int, reason: str, message: str) -> None:
        super().__init__(status, reason, message)
        self.status, self.reason, self.message = status, reason, message


@dataclass
class ArmorOperation:
    """A change that was accepted."""

    number: int
    done_at: datetime
    inserted: datetime
    apply: Callable[[], None]
    error: str = ""
    """Why it fails when it is done; empty if it does not."""
    applied: bool = False

    @property
    def name(self) -> str:
        """Return its name."""
        return f"operation-{self.number}-simulated"


def _default_rule() -> Rule:
    match = {"versionedExpr": "SRC_IPS_V1", "config": {"srcIpRanges": ["*"]}}
    return {"priority": LAST, "action": "allow", "preview": False, "match": match, "description": "default rule"}


@dataclass
class ArmorPolicy:
    """One global security policy, and the backend service that may have it."""

    spec: ArmorSpec
    takes: timedelta
    clock: Clock
    rules: list[Rule] = field(default_factory=lambda: [_default_rule()])
    attached: str | None = None
    """The name of the policy that the backend service has; set at the start."""
    operations: dict[str, ArmorOperation] = field(default_factory=dict[str, ArmorOperation])
    fails_with: str = ""
    """Why the next operation fails; empty if it does not."""
    version: int = 1

    def __post_init__(self) -> None:
        """Attach the policy if the scenario says so."""
        self.attached = self.spec.policy if self.spec.attached else None

    def blocked(self) -> list[str]:
        """Return the ranges that enforced rules deny."""
        self.settle()
        denying = [rule for rule in self.rules if rule["action"].startswith("deny") and not rule.get("preview")]
        return [one for rule in denying for one in ranges_of(rule)]

    @property
    def fingerprint(self) -> str:
        """Return the hash that changes with each change."""
        return base64.b64encode(hashlib.sha256(f"{self.spec.policy}{self.version}".encode()).digest()[:8]).decode()

    def settle(self) -> None:
        """Carry out the operations that are done."""
        for operation in self.operations.values():
            if not operation.applied and operation.done_at <= self.clock():
                operation.applied = True
                if not operation.error:
                    operation.apply()
                    self.version += 1

    def find(self, priority: int) -> Rule:
        """Return the rule at a priority.

        Raises ArmorError: 400.
        """
        self.settle()
        found = next((rule for rule in self.rules if rule["priority"] == priority), None)
        if found is None:
            message = f"Invalid value for field 'priority': '{priority}'. The security policy does not contain a rule"
            raise ArmorError(400, "invalid", f"{message} at priority {priority}.")
        return found

    def add(self, rule: Rule, *, validate_only: bool, ignored: bool = False) -> ArmorOperation:
        """Accept a new rule.

        Raises ArmorError: 400; nothing is changed.
        """
        self.settle()
        _require_valid(rule)
        if any(one["priority"] == rule["priority"] for one in self.rules):
            message = "Invalid value for field 'resource.priority': Cannot have rules with the same priorities."
            raise ArmorError(400, "invalid", message)
        whole = {"preview": False, "description": "", **rule}
        return self._start((lambda: None) if validate_only or ignored else lambda: self.rules.append(whole))

    def patch(self, priority: int, change: Rule, *, ignored: bool = False) -> ArmorOperation:
        """Accept a change of a rule.

        Raises ArmorError: 400; nothing is changed.
        """
        rule = self.find(priority)
        _require_valid({**rule, **change})
        return self._start((lambda: None) if ignored else lambda: rule.update(change))

    def remove(self, priority: int, *, ignored: bool = False) -> ArmorOperation:
        """Accept the end of a rule.

        Raises ArmorError: 400; nothing is changed.
        """
        rule = self.find(priority)
        if priority == LAST:
            raise ArmorError(400, "invalid", "Cannot remove the default rule.")
        return self._start((lambda: None) if ignored else lambda: self.rules.remove(rule))

    def _start(self, apply: Callable[[], None]) -> ArmorOperation:
        now, number = self.clock(), len(self.operations) + 1
        operation = ArmorOperation(number, now + self.takes, now, apply, self.fails_with)
        self.fails_with = ""
        self.operations[operation.name] = operation
        return operation


def ranges_of(rule: Rule) -> list[str]:
    """Return the ranges that a rule matches; none if it matches by an expression."""
    return list(rule["match"].get("config", {}).get("srcIpRanges", []))


def _require_valid(rule: Rule) -> None:
    priority, match = rule.get("priority"), rule.get("match")
    if not isinstance(priority, int) or isinstance(priority, bool) or not 0 <= priority <= LAST:
        raise ArmorError(
            400, "invalid", "Invalid value for field 'resource.priority': must be between 0 and 2147483647."
        )
    if rule.get("action") not in _ACTIONS:
        raise ArmorError(400, "invalid", f"Invalid value for field 'resource.action': '{rule.get('action')}'.")
    if not isinstance(match, dict) or ("expr" in match) == ("versionedExpr" in match):
        raise ArmorError(400, "invalid", "Invalid value for field 'resource.match': one expression is required.")
    ranges = ranges_of(cast("Rule", {"match": match})) if "versionedExpr" in match else ["*"]
    if not ranges or len(ranges) > MOST_RANGES:
        message = f"Invalid value for field 'resource.match.config.srcIpRanges': from 1 to {MOST_RANGES} are allowed."
        raise ArmorError(400, "invalid", message)
    for one in ranges:
        try:
            _ = one == "*" or ip_network(one)
        except ValueError:
            message = f"Invalid value for field 'resource.match.config.srcIpRanges': '{one}'. Must be a valid CIDR."
            raise ArmorError(400, "invalid", message) from None
