"""Vercel's feature flags: reading one with its version, and writing one environment of it against that version.

Source: Vercel's REST API reference (pages "Get a flag" and "Update a flag", 2026-05 to 2026-10), and how the vendor's
own command line uses them (github.com/vercel/vercel, packages/cli/src/util/flags, 2026-11):
- `GET /v1/projects/{p}/feature-flags/flags/{idOrSlug}` has `kind` (boolean, string, number, json), `state` (active,
  archived), `variants` {id, value} and `environments` {active, pausedOutcome, fallthrough, rules, reuse}. Its header
  `ETag` is the version; without one the command line refuses to write.
- `PATCH` of it with `If-Match` {environments: {production: the whole environment}, message} answers 200 with the flag;
  409 or 412 if the version is another one. An archived flag cannot be changed.
- An environment that is not `active` gives everyone its `pausedOutcome`. One whose `reuse.active` is true takes what
  another environment has.

Not confirmed: which of 409 and 412 stands for another version.
"""

from __future__ import annotations

from typing import Any, Literal, cast
from urllib.parse import quote

from pydantic import ConfigDict, ValidationError

from allclear.domain.base import JsonDict, Model
from allclear.domain.errors import VendorRefused
from allclear.vendors.errors import VendorRequest
from allclear.vendors.vercel import READ, Vercel

PRODUCTION = "production"


class Variant(Model):
    """A value that a flag can have."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    id: str
    value: Any = None


class Flag(Model):
    """A feature flag."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    slug: str
    kind: str
    state: Literal["active", "archived"]
    variants: tuple[Variant, ...]
    environments: dict[str, JsonDict]
    etag: str = ""


class Flags:
    """The feature flags of one account's projects."""

    def __init__(self, vercel: Vercel) -> None:
        self._vercel = vercel

    async def flag(self, project: str, slug: str) -> Flag:
        """Return the flag with its version. Raises NotFound, VendorRefused if Vercel shows no version, VendorError."""
        request = VendorRequest("Vercel", f"read the flag {slug}", write=False)
        answer, headers = await self._vercel.send_for_headers(request, "GET", _path(project, slug), {})
        try:
            flag = Flag.model_validate(answer)
        except ValidationError:
            raise request.not_from_vendor(200, "unexpected JSON") from None
        etag = headers.get("etag", "")
        if not etag:
            raise VendorRefused(
                f"Vercel shows the flag {slug} without a version (ETag), so it cannot be switched safely.",
                "Switch it in the project's Flags at vercel.com.",
            )
        return flag.model_copy(update={"etag": etag})

    async def write(self, project: str, slug: str, environment: JsonDict, etag: str, message: str) -> None:
        """Write the whole production environment of a flag, if its version still is `etag`. Raises Conflict."""
        request = VendorRequest("Vercel", f"switch the flag {slug}", write=True, headers={"If-Match": etag})
        body: JsonDict = {"environments": {PRODUCTION: environment}, "message": message}
        await self._vercel.send(request, "PATCH", _path(project, slug), {}, body, READ)


def outcome_of(environment: JsonDict) -> str:
    """Return the id of the variant that an environment gives everyone while it is not active; empty if none is set."""
    paused: object = environment.get("pausedOutcome")
    return str(cast("JsonDict", paused).get("variantId") or "") if isinstance(paused, dict) else ""


def reused_by(environment: JsonDict) -> str:
    """Return the environment from which this one takes everything; empty if it has its own configuration."""
    reuse: object = environment.get("reuse")
    shown = cast("JsonDict", reuse) if isinstance(reuse, dict) else {}
    return str(shown.get("environment") or "another environment") if shown.get("active") is True else ""


def _path(project: str, slug: str) -> str:
    return f"/v1/projects/{quote(project, safe='')}/feature-flags/flags/{quote(slug, safe='')}"
