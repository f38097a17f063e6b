"""The revisions of the simulated service, and where its traffic goes."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from allclear.simulator.scenario_schema import LATEST, RevisionSpec, TrafficSpec, Trouble


@dataclass(frozen=True)
class Revision:
    """One revision: when it was made, whether it can serve, and how it misbehaves."""

    name: str
    image: str
    created_at: datetime
    ready: bool = True
    not_ready_because: str = ""
    maintenance: bool = False
    staged: bool = False
    deleted_at: datetime | None = None
    faults: dict[str, Trouble] = field(default_factory=dict[str, Trouble])

    @classmethod
    def from_spec(cls, spec: RevisionSpec, now: datetime, registry: str) -> Revision:
        """Return the revision that a scenario describes; its age counts back from `now`."""
        return cls(
            name=spec.name,
            image=spec.image or f"{registry}:{spec.name}",
            created_at=now - spec.age,
            ready=spec.ready,
            not_ready_because="" if spec.ready else spec.not_ready_because,
            maintenance=spec.maintenance,
            staged=spec.staged,
            deleted_at=now if spec.deleted else None,
            faults={fault.path: fault for fault in spec.faults},
        )

    @property
    def can_serve(self) -> bool:
        """Return whether traffic may be sent to it."""
        return self.ready and self.deleted_at is None


@dataclass(frozen=True)
class Target:
    """A share of the traffic; `revision` is `None` for "the latest that is ready"."""

    revision: str | None
    percent: int
    tag: str = ""

    @classmethod
    def from_spec(cls, spec: TrafficSpec) -> Target:
        """Return the entry that a scenario describes."""
        return cls(None if spec.revision == LATEST else spec.revision, spec.percent, spec.tag)

    def as_facts(self) -> dict[str, object]:
        """Return the entry for the record and for people: `latest` or a name, percent, tag."""
        tag = {"tag": self.tag} if self.tag else {}
        return {"revision": self.revision or LATEST, "percent": self.percent, **tag}


ALL_TO_LATEST = (Target(None, 100),)
"""What Cloud Run makes of an empty traffic list."""
