"""The `maintenance` of a service in systems.yaml. Apart from `maintenance`, because Cloud Run's actions read it too."""

from __future__ import annotations

from typing import ClassVar, Self

from pydantic import Field, model_validator

from allclear.domain.base import Model


class MaintenanceHandle(Model):
    """How it is put into maintenance: by a flag, by a revision deployed beforehand, or by either."""

    key: ClassVar[str] = "maintenance"

    flag: str | None = Field(default=None, description="The flag that closes the service.")
    revision_tag: str | None = Field(
        default=None, description="The traffic tag of the maintenance revision, which works without the database too."
    )

    @model_validator(mode="after")
    def _at_least_one(self) -> Self:
        if self.flag is None and self.revision_tag is None:
            msg = "maintenance needs `flag` or `revision_tag`"
            raise ValueError(msg)
        return self

    def only(self, by: str | None) -> MaintenanceHandle | None:
        """Return the handle with one of the two: the one that `by` names, or the flag if there is one.

        None if the service does not have what `by` names.
        """
        if by == "revision" or (by is None and self.flag is None):
            return MaintenanceHandle(revision_tag=self.revision_tag) if self.revision_tag else None
        return MaintenanceHandle(flag=self.flag) if self.flag else None
