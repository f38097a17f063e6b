"""How a service in systems.yaml names its service in Cloud Run. Light: it imports no Google library."""

from __future__ import annotations

import re
from typing import Annotated, ClassVar, cast

from pydantic import ConfigDict, Field, RootModel, model_validator

_REGION = r"^[a-z]+-[a-z]+\d+$"
Region = Annotated[str, Field(pattern=_REGION)]
"""A region of Cloud Run, as `us-central1`."""


class CloudRunHandle(RootModel[str | dict[str, str]]):
    """Its Cloud Run service, in the system's region; or one for each region, as `us-central1: web`."""

    model_config = ConfigDict(frozen=True)
    key: ClassVar[str] = "cloud_run"

    @model_validator(mode="before")
    @classmethod
    def _name_or_regions(cls, value: object) -> object:
        """Explain both shapes in one sentence: pydantic would report the errors of each part of the union."""
        if isinstance(value, str):
            return value
        regions = cast("dict[object, object]", value) if isinstance(value, dict) else {}
        valid = all(re.fullmatch(_REGION, str(key)) and isinstance(name, str) for key, name in regions.items())
        if not regions or not valid:
            msg = "it must be a service's name, or one for each region, as `us-central1: web`"
            raise ValueError(msg)
        return cast("object", value)

    @property
    def regions(self) -> dict[str, str]:
        """Return the name in each region; empty if the service is in the system's own region only."""
        return {} if isinstance(self.root, str) else self.root

    @property
    def names(self) -> list[str]:
        """Return the names of the service, one for each region."""
        return [self.root] if isinstance(self.root, str) else list(self.root.values())

    def by_region(self, default: str) -> dict[str, str]:
        """Return the name in each region; `default` is the system's own region."""
        return {default: self.root} if isinstance(self.root, str) else self.root
