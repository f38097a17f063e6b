"""What systems.yaml gives a service on Vercel: its project, its feature flags and its Global Config."""

from __future__ import annotations

from typing import ClassVar

from pydantic import ConfigDict, Field, RootModel

from allclear.domain.action import ActionContext
from allclear.domain.base import Model
from allclear.vendors.vercel import VercelHandle
from tasks.service_params import handle_of

_KEY = r"^[A-Za-z0-9_-]+$"


class VercelFlagsHandle(RootModel[dict[str, str]]):
    """Its feature flags on Vercel: each slug, with the feature that it switches, in the words of the plan's routes."""

    model_config = ConfigDict(frozen=True)
    key: ClassVar[str] = "vercel_flags"


class VercelConfigHandle(Model):
    """Its Global Config on Vercel (named Edge Config until 2026), with the switches that the application reads."""

    key: ClassVar[str] = "vercel_config"

    id: str = Field(pattern=r"^ecfg_[A-Za-z0-9_]+$", description="Its id, as ecfg_....")
    maintenance: str | None = Field(default=None, pattern=_KEY, description="The item that closes the service.")
    features: dict[str, str] = Field(
        default={}, description="The items that switch features: each key, with the feature in the plan's words."
    )

    @property
    def keys(self) -> list[str]:
        """Return the keys of all its switches."""
        return [*self.features, *([self.maintenance] if self.maintenance else [])]


def hosting_of(context: ActionContext, service: str) -> VercelHandle:
    """Return the service's project and domain. Raises NotFound, and ConfigError if systems.yaml has none."""
    return handle_of(context, service, VercelHandle, "Add its `project` and `domain` there.")
