"""Faults that are injected into an API: a call is refused, slow, or done with the answer lost.

A fault waits for the next matching call of its API and is used up `times` times. Several faults
on one method are used in the order in which they were set.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

FaultKind = Literal[
    "unavailable",
    "slow",
    "rate_limited",
    "server_error",
    "answer_lost",
    "permission_denied",
    "stale_etag",
    "stale_read",
    "lands_late",
    "already_exists",
    "act_as_denied",
    "unauthenticated",
    "login_page",
    "cut_off",
    "other_shape",
    "ignored",
]
"""`login_page`: a proxy answers in the vendor's place, with 200 and a web page, and the call does not reach the API.
`cut_off`: the call is done, and its answer ends in the middle. `other_shape`: the call is done, and its answer is JSON
of another shape. `ignored`: a write is answered as if it were done, and nothing is done.
"""
ANY_METHOD = "*"
_OF_ONE_API = frozenset({"stale_read", "lands_late", "already_exists", "act_as_denied", "unauthenticated", "ignored"})
_OVER_HTTP = frozenset({"login_page", "cut_off", "other_shape"})
"""Faults of JSON over HTTP, which gRPC cannot have."""
"""Faults that an API must offer: the others can happen to every call."""


@dataclass(frozen=True)
class FaultPoints:
    """The calls of one API that a fault can name."""

    methods: frozenset[str] | None = None
    """None: any name, as for the paths of the website."""
    concurrent_write: str = ""
    """The call before which another writer can be first: it compares an etag or an old value."""
    regional: bool = False
    """Whether a call belongs to a region."""
    only_on: Mapping[FaultKind, str] = field(default_factory=dict[FaultKind, str])
    """Faults of this API alone -> the method that can meet each."""
    ignorable: frozenset[str] = frozenset()
    """The writes that can be answered as if they were done, although nothing is done."""

    def objection(self, fault: Fault) -> str | None:
        """Return why `fault` cannot be set here, or None."""
        if self.methods is not None and fault.method != ANY_METHOD and fault.method not in self.methods:
            return f"{fault.api} has no method {fault.method!r}; it has {', '.join(sorted(self.methods))}"
        if fault.kind == "stale_etag" and fault.method != (self.concurrent_write or None):
            return f"stale_etag needs a call that compares versions, and {fault.method} of {fault.api} does not"
        if fault.kind in _OF_ONE_API and not self._can_happen(fault):
            return f"{fault.kind} cannot happen to {fault.method} of {fault.api}"
        if fault.kind in _OVER_HTTP and self.regional:
            return f"{fault.api} is called over gRPC too, which {fault.kind} cannot happen to"
        if fault.region and not self.regional:
            return f"the calls of {fault.api} belong to no region"
        return None

    def _can_happen(self, fault: Fault) -> bool:
        if fault.kind == "ignored":
            return fault.method in self.ignorable
        return self.only_on.get(fault.kind) in (fault.method, ANY_METHOD)


class Fault(BaseModel):
    """One fault: in which API, on which call, in which region (all if none), of what kind, how often, how slow."""

    model_config = ConfigDict(extra="forbid")

    api: str = Field(description="The vendor, as systems.yaml names the system.")
    method: str = Field(default=ANY_METHOD, description="The call; all of the vendor's if left out.")
    region: str = Field(default="", description="The region; all if left out.")
    kind: FaultKind = Field(description="What goes wrong.")
    times: Annotated[int, Field(ge=1, le=1_000_000)] = Field(default=1, description="How many calls meet it.")
    seconds: Annotated[float, Field(ge=0, le=3600)] = Field(
        default=2.0, description="How many seconds a slow answer is held back."
    )

    def matches(self, api: str, method: str, region: str = "") -> bool:
        """Return whether this fault is meant for that call."""
        return self.api == api and self.method in (ANY_METHOD, method) and self.region in ("", region)


def objection(fault: Fault, points: Mapping[str, FaultPoints]) -> str | None:
    """Return why no call can ever meet a fault, or None. Without points, every fault is possible."""
    if points and fault.api not in points:
        return f"there is no API {fault.api!r}; there are {', '.join(sorted(points))}"
    return points[fault.api].objection(fault) if points else None


class FaultBoard:
    """The faults that are waiting for their call."""

    def __init__(self) -> None:
        self._waiting: list[Fault] = []
        self.points: Mapping[str, FaultPoints] = {}
        """API -> where faults can be injected; empty: everywhere."""
        self._released = asyncio.Event()

    def set(self, fault: Fault) -> None:
        """Keep a fault for the next calls that match. Raise ValueError if no call ever can."""
        if why := objection(fault, self.points):
            raise ValueError(why)
        self._waiting.append(fault)

    def clear(self) -> int:
        """Drop every waiting fault; the number dropped."""
        dropped = len(self._waiting)
        self._waiting.clear()
        return dropped

    def take(self, api: str, method: str, region: str = "") -> Fault | None:
        """Return the fault that this call meets, used up once; `None` for a call that goes well."""
        for index, fault in enumerate(self._waiting):
            if fault.matches(api, method, region):
                if fault.times == 1:
                    del self._waiting[index]
                else:
                    left = fault.model_copy(update={"times": fault.times - 1})
                    self._waiting[index] = left
                return fault
        return None

    async def hold(self, fault: Fault) -> None:
        """Hold a slow call for the fault's seconds, or until `release`."""
        with suppress(TimeoutError):
            async with asyncio.timeout(fault.seconds):
                await self._released.wait()

    def release(self) -> None:
        """Let every call that is held now go on."""
        self._released.set()
        self._released = asyncio.Event()

    def expects(self, api: str, method: str, kind: FaultKind, region: str = "") -> bool:
        """Return whether such a fault is waiting; nothing is used up."""
        return any(f.kind == kind and f.matches(api, method, region) for f in self._waiting)

    def waiting(self) -> list[Fault]:
        """Return the faults still waiting, in the order in which they will be used."""
        return list(self._waiting)
