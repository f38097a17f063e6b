"""The `maintenance` of a service in systems.yaml. Apart from `maintenance`, because Cloud Run's actions read it too."""

from __future__ import annotations

from typing import ClassVar, Self

from pydantic import Field, model_validator

from allclear.domain.base import Model


class MaintenanceHandle(Model):
    """How it is put into maintenance: by a flag, or by a revision deployed beforehand."""

    key: ClassVar[str] = "maintenance"

    flag: str | None = Field(default=None, description="The flag that closes the service.")
    revision_tag: str | None = Field(default=None, description="The traffic tag of the maintenance revision.")

    @model_validator(mode="after")
    def _exactly_one(self) -> Self:
        if (self.flag is None) == (self.revision_tag is None):
            msg = "maintenance takes either `flag` or `revision_tag`"
            raise ValueError(msg)
        return self
