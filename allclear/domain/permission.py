"""The permissions that the key of an outside system needs, as actions and probes declare them."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Permission:
    """What an action or probe needs at one system.

    `allclear actions` and docs/systems.md show it, so that a person can make a key that may do no more.
    """

    system: str
    """Its name in systems.yaml."""
    rights: str
    """What the key must be allowed, in the vendor's words: `run.services.update`."""
    role: str
    """The smallest role, scope or kind of key that holds these rights, in the vendor's words."""
