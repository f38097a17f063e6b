"""What systems.yaml gives a service behind Cloud Armor: its policy, the rules that are ours, and the load balancer."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from allclear.domain.base import Model

_NAME = r"^[a-z]([-a-z0-9]{0,61}[a-z0-9])?$"
_LAST = 2_147_483_646


class CloudArmorHandle(Model):
    """Its Cloud Armor policy, with the priorities that allclear may use, and its backend service."""

    key: ClassVar[str] = "cloud_armor"

    policy: str = Field(pattern=_NAME, description="The global security policy's name.")
    backend_service: str = Field(
        pattern=_NAME, description="The load balancer's backend service, which must have that policy."
    )
    priority: int = Field(
        ge=0, le=_LAST, description="The first priority that is ours; a rule with a lower number decides before it."
    )
    rules: int = Field(
        default=10, ge=1, le=100, description="How many priorities from there on are ours: one change takes one."
    )
    direct_requests: bool = Field(
        default=False,
        description="Whether it is known and accepted that Cloud Run also answers requests that pass no load balancer.",
    )

    @property
    def priorities(self) -> range:
        """Return the priorities that are ours."""
        return range(self.priority, min(self.priority + self.rules, _LAST + 1))
