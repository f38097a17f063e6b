"""Cloud Armor: the rules of a security policy, and whether a load balancer's backend service has the policy.

Source: the discovery document compute v1, and docs.cloud.google.com/armor, "Create and view security policies",
2026-11:
- `GET /compute/v1/projects/P/global/securityPolicies/NAME` shows `rules[]` {priority, action, preview, description,
  match} and a `fingerprint`. A rule matches `srcIpRanges`, at most 10, with `versionedExpr: SRC_IPS_V1`, or an `expr`.
  The rule with the lowest priority number that matches decides; the last one, 2147483647, matches everything.
- `POST …/addRule[?validateOnly=true]`, `…/patchRule?priority=`, `…/removeRule?priority=` answer with an operation.
  None of them takes the fingerprint: only a change of the policy itself compares it. So there is no fence.
- `GET …/global/operations/NAME`: `status` PENDING, RUNNING, DONE; `error.errors[]` {code, message} if it failed.
- `GET …/global/backendServices/NAME`: `securityPolicy` is the address of its policy, if it has one.
- roles/compute.securityAdmin may change rules, and roles/compute.viewer may read the rest.

Not confirmed: how many minutes Google's edges take to follow a rule; and that a second rule at a priority is refused.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import timedelta
from typing import ClassVar, Self

from pydantic import ConfigDict, Field, ValidationError

from allclear.domain.address_ranges import RangeLimits
from allclear.domain.backoff import Backoff
from allclear.domain.base import JsonDict, Model
from allclear.domain.errors import AllclearError
from allclear.domain.systems import Access
from allclear.vendors.access import options_of, web_address
from allclear.vendors.errors import VendorRequest, one_line
from allclear.vendors.google_http import GoogleClient, GoogleOptions, token_for
from allclear.vendors.lengths import shortened

MOST_RANGES = 10
"""The ranges of one rule."""
LIMITS = RangeLimits("one change of ours", ipv4=16, ipv6=48)
"""Cloud Armor itself takes any range; a wider one would lock out a whole provider."""
LONGEST_DESCRIPTION = 2048
WITHIN = timedelta(seconds=30)
"""How long an operation is followed before the rules are read instead."""
_POLLS = Backoff(first=0.2, longest=2.0)
_SOURCE_RANGES = "SRC_IPS_V1"


class ArmorOptions(GoogleOptions):
    """The project that has the security policy and the load balancer."""

    project: str | None = Field(
        pattern=r"^[a-z][a-z0-9-]{4,28}[a-z0-9]$", description="The project of the policy and the load balancer."
    )


class _Answer(Model):
    """An answer of Google, which may grow fields that we do not read."""

    model_config = ConfigDict(extra="ignore", frozen=True)


class _Ranges(_Answer):
    ranges: tuple[str, ...] = Field(default=(), alias="srcIpRanges")


class _Match(_Answer):
    versioned: str = Field(default="", alias="versionedExpr")
    config: _Ranges = _Ranges()


class ArmorRule(_Answer):
    """One rule of a policy."""

    priority: int
    action: str
    """`allow`, `deny(403)`, `throttle` …"""
    preview: bool = False
    """Whether it only logs what it would do."""
    description: str = ""
    match: _Match = _Match()

    @property
    def ranges(self) -> tuple[str, ...] | None:
        """Return the ranges that it matches; None if it matches something else, as an expression."""
        return self.match.config.ranges if self.match.versioned == _SOURCE_RANGES else None

    @property
    def denies(self) -> bool:
        """Return whether it is in force and denies what it matches."""
        return self.action.startswith("deny") and not self.preview


class ArmorPolicy(_Answer):
    """A security policy: its rules, the one that decides first at the top."""

    name: str
    fingerprint: str = ""
    rules: tuple[ArmorRule, ...]


class _OperationError(_Answer):
    message: str = ""


class _OperationErrors(_Answer):
    errors: tuple[_OperationError, ...] = ()


class _Operation(_Answer):
    name: str
    status: str
    error: _OperationErrors | None = None


class _BackendService(_Answer):
    name: str
    policy: str = Field(default="", alias="securityPolicy")


class CloudArmor(GoogleClient):
    """Reads and changes the rules of one project's security policies."""

    system: ClassVar[str] = "cloud_armor"
    options: ClassVar[type[Model]] = ArmorOptions
    vendor: ClassVar[str] = "Cloud Armor"
    scope: ClassVar[str] = "https://www.googleapis.com/auth/compute"

    @classmethod
    def connect(cls, access: Access) -> Self:
        """Return a client; sends nothing yet. Raises ConfigError."""
        return cls(web_address(access), options_of(access, ArmorOptions), token_for(access, cls.scope))

    async def policy(self, name: str) -> ArmorPolicy:
        """Return a policy with its rules. Raises NotFound, Denied, VendorError."""
        request = VendorRequest(self.vendor, f"read the policy {name}", write=False)
        answer = await self._http.send(request, "GET", self._path("securityPolicies", name))
        try:
            policy = ArmorPolicy.model_validate(answer)
        except ValidationError:
            raise request.not_from_vendor(200, "unexpected JSON") from None
        return policy.model_copy(update={"rules": tuple(sorted(policy.rules, key=lambda rule: rule.priority))})

    async def policy_of(self, backend_service: str) -> str:
        """Return the name of the policy that a backend service has; empty if it has none. Raises NotFound, Denied."""
        request = VendorRequest(self.vendor, f"read the backend service {backend_service}", write=False)
        answer = await self._http.send(request, "GET", self._path("backendServices", backend_service))
        try:
            return _BackendService.model_validate(answer).policy.rpartition("/")[2]
        except ValidationError:
            raise request.not_from_vendor(200, "unexpected JSON") from None

    async def deny(
        self, policy: str, priority: int, ranges: Sequence[str], notes: str, *, validate_only: bool = False
    ) -> None:
        """Add a rule that denies ranges, and follow its operation; with `validate_only`, add none.

        Raises Denied, VendorRefused if nothing was changed, AnswerLost if that is not known.
        """
        purpose = f"{'test whether to block' if validate_only else 'block'} {_listed(ranges)} in {policy}"
        body: JsonDict = {
            "priority": priority,
            "action": "deny(403)",
            "description": shortened(notes, LONGEST_DESCRIPTION),
            "match": _match(ranges),
        }
        params = {"validateOnly": "true"} if validate_only else {}
        await self._change(purpose, policy, "addRule", params, body, follow=not validate_only)

    async def narrow(self, policy: str, priority: int, ranges: Sequence[str]) -> None:
        """Let a rule match these ranges alone. Raises as `deny`."""
        purpose = f"change the rule {priority} of {policy}"
        await self._change(purpose, policy, "patchRule", {"priority": str(priority)}, {"match": _match(ranges)})

    async def remove(self, policy: str, priority: int) -> None:
        """Remove a rule. Raises as `deny`."""
        await self._change(f"remove the rule {priority} of {policy}", policy, "removeRule", {"priority": str(priority)})

    async def _change(
        self,
        purpose: str,
        policy: str,
        method: str,
        params: dict[str, str],
        body: JsonDict | None = None,
        *,
        follow: bool = True,
    ) -> None:
        request = VendorRequest(self.vendor, purpose, write=True)
        path = f"{self._path('securityPolicies', policy)}/{method}"
        answer = await self._http.send(request, "POST", path, json=body, params=params)
        try:
            operation = _Operation.model_validate(answer)
        except ValidationError:
            raise request.not_from_vendor(200, "unexpected JSON") from None
        if follow:
            await self._follow(request, operation)

    async def _follow(self, request: VendorRequest, operation: _Operation) -> None:
        """Read an operation until it is done.

        Raises VendorRefused if it failed, AnswerLost if its end cannot be seen: the change was accepted.
        """
        reading = VendorRequest(self.vendor, f"follow the operation {operation.name}", write=False)
        try:
            async with asyncio.timeout(WITHIN.total_seconds()):
                for pause in _POLLS.pauses():
                    if operation.status == "DONE":
                        break
                    await asyncio.sleep(pause)
                    answer = await self._http.send(reading, "GET", self._path("operations", operation.name))
                    operation = _Operation.model_validate(answer)
        except (AllclearError, ValidationError, TimeoutError) as error:
            reason = error.message.rstrip(".") if isinstance(error, AllclearError) else "its end was not seen"
            raise request.answer_lost(f"it was accepted; {reason}") from error
        if operation.error is not None:
            reasons = "; ".join(one.message for one in operation.error.errors if one.message)
            raise request.refused(one_line(reasons) or "the operation failed")

    def _path(self, collection: str, name: str) -> str:
        return f"/compute/v1/projects/{self.project}/global/{collection}/{name}"


def _match(ranges: Sequence[str]) -> JsonDict:
    return {"versionedExpr": _SOURCE_RANGES, "config": {"srcIpRanges": list(ranges)}}


def _listed(ranges: Sequence[str]) -> str:
    return ranges[0] if len(ranges) == 1 else f"{ranges[0]} and {len(ranges) - 1} more"
