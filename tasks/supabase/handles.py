"""What systems.yaml gives a service whose database is a project on Supabase."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from allclear.domain.action import ActionContext
from allclear.domain.base import Model
from tasks.service_params import handle_of


class SupabaseProjectHandle(Model):
    """Its database: a project on Supabase, which can be restored to a point in time."""

    key: ClassVar[str] = "supabase_project"

    ref: str = Field(pattern=r"^[A-Za-z]{20}$", description="The project's reference: the 20 letters of its address.")
    restore_points: bool = Field(
        default=False,
        description="Whether the plan has restore points: one is made before a restore, so that it can be undone.",
    )


def database_of(context: ActionContext, service: str) -> SupabaseProjectHandle:
    """Return the service's project. Raises NotFound, and ConfigError if systems.yaml has none."""
    return handle_of(context, service, SupabaseProjectHandle, "Add its `ref` there.")
