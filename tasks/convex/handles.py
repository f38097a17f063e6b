"""What systems.yaml gives a service whose backend is a deployment on Convex."""

from __future__ import annotations

from typing import ClassVar, Self

from pydantic import Field, model_validator

from allclear.domain.action import ActionContext
from allclear.domain.base import Model
from tasks.service_params import handle_of


class ConvexHandle(Model):
    """Its backend: a deployment on Convex, and the environment variables that switch features."""

    key: ClassVar[str] = "convex"

    deployment: str = Field(
        pattern=r"^[A-Za-z0-9-]{1,100}$",
        description="The deployment's name, as happy-animal-123: `endpoint` reaches it.",
    )
    switches: dict[str, str] = Field(
        default={}, description="The variables that switch features: each name, with the feature in the plan's words."
    )
    on: str = Field(default="true", description="The value that switches a feature on.")
    off: str = Field(default="false", description="The value that switches it off.")

    @model_validator(mode="after")
    def _two_values(self) -> Self:
        if self.on == self.off:
            msg = "`on` and `off` must be two values"
            raise ValueError(msg)
        return self


def backend_of(context: ActionContext, service: str) -> ConvexHandle:
    """Return the service's deployment. Raises NotFound, and ConfigError if systems.yaml has none."""
    return handle_of(context, service, ConvexHandle, "Add its `deployment` there.")
