"""Trouble put into a face on purpose: refused, slow, or done with the answer lost.

A fault waits for the next matching call of its face and is used up ``times`` times. Several faults
on one method are used in the order in which they were set.
"""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

FaceName = Literal[
    "storefront",
    "cloud_run",
    "supabase",
    "slack",
    "statuspage",
    "pagerduty",
    "cloud_monitoring",
    "cloud_logging",
    "vercel",
]
FaultKind = Literal[
    "unavailable",
    "slow",
    "rate_limited",
    "server_error",
    "answer_lost",
    "permission_denied",
    "stale_etag",
]
ANY_METHOD = "*"

METHODS: dict[FaceName, frozenset[str]] = {
    "cloud_run": frozenset(
        {
            "GetService",
            "ListServices",
            "UpdateService",
            "TestIamPermissions",
            "ListRevisions",
            "GetRevision",
            "GetOperation",
            "WaitOperation",
        }
    ),
    "supabase": frozenset({"select", "update"}),
    "slack": frozenset(
        {
            "auth.test",
            "chat.postMessage",
            "chat.update",
            "conversations.history",
            "conversations.replies",
            "conversations.list",
        }
    ),
    "statuspage": frozenset(
        {
            "create_incident",
            "update_incident",
            "get_incident",
            "list_incidents",
            "list_unresolved",
            "list_components",
        }
    ),
    "pagerduty": frozenset({"enqueue"}),
    "cloud_monitoring": frozenset({"query"}),
    "cloud_logging": frozenset({"entries.list"}),
    "vercel": frozenset({"get_project", "get_alias", "list_deployments", "rollback", "promote"}),
}
"""The calls of each face by name; the storefront's are its paths."""

_SOMEBODY_WROTE_FIRST: dict[FaceName, str] = {"cloud_run": "UpdateService", "supabase": "update"}


class Fault(BaseModel):
    """One fault: in which face, on which call, in which region (all if none), of what kind, how often, how slow."""

    model_config = ConfigDict(extra="forbid")

    face: FaceName
    method: str = ANY_METHOD
    region: str = ""
    kind: FaultKind
    times: Annotated[int, Field(ge=1, le=1_000_000)] = 1
    seconds: Annotated[float, Field(ge=0, le=3600)] = 2.0

    @model_validator(mode="after")
    def _makes_sense(self) -> Self:
        known = METHODS.get(self.face)
        if known is not None and self.method != ANY_METHOD and self.method not in known:
            names = ", ".join(sorted(known))
            raise ValueError(f"{self.face} has no method {self.method!r}; it has {names}")
        if self.kind == "stale_etag" and self.method != _SOMEBODY_WROTE_FIRST.get(self.face):
            raise ValueError("stale_etag goes with cloud_run's UpdateService or supabase's update only")
        if self.region and self.face != "cloud_run":
            raise ValueError("region goes with cloud_run only")
        return self

    def matches(self, face: FaceName, method: str, region: str = "") -> bool:
        """Whether this fault is meant for that call."""
        return self.face == face and self.method in (ANY_METHOD, method) and self.region in ("", region)


class FaultBoard:
    """The faults that are waiting for their call."""

    def __init__(self) -> None:
        self._waiting: list[Fault] = []

    def set(self, fault: Fault) -> None:
        """Let a fault wait for its calls."""
        self._waiting.append(fault)

    def clear(self) -> int:
        """Drop every waiting fault; the number dropped."""
        dropped = len(self._waiting)
        self._waiting.clear()
        return dropped

    def take(self, face: FaceName, method: str, region: str = "") -> Fault | None:
        """The fault that this call meets, used up once; ``None`` for a call that goes well."""
        for index, fault in enumerate(self._waiting):
            if fault.matches(face, method, region):
                if fault.times == 1:
                    del self._waiting[index]
                else:
                    left = fault.model_copy(update={"times": fault.times - 1})
                    self._waiting[index] = left
                return fault
        return None

    def expects(self, face: FaceName, method: str, kind: FaultKind, region: str = "") -> bool:
        """Whether such a fault is waiting; nothing is used up."""
        return any(f.kind == kind and f.matches(face, method, region) for f in self._waiting)

    def waiting(self) -> list[Fault]:
        """The faults still waiting, in the order in which they will be used."""
        return list(self._waiting)
