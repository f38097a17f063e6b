"""Vercel's Global Config, which was named Edge Config until July 2026: switches that an application reads at run time.

Source: Vercel's REST API reference (pages of 2026-07 to 2026-09) and its published description (2025-10):
- `GET /v1/global-config/{ecfg_...}/item/{key}` has `key` and `value`, and is always current. Readers see a change
  within seconds.
- `PATCH /v1/global-config/{ecfg_...}/items` {items: [{operation, key, value}]} answers 200 {status}. `update` needs an
  item that exists; a key has letters, digits, `_` and `-`, at most 256.

Not confirmed: what its 409 and 412 stand for. There is no version to write against.
"""

from __future__ import annotations

from allclear.domain.base import JsonDict
from allclear.domain.errors import Refused
from allclear.vendors.errors import VendorRequest
from allclear.vendors.http import Expected
from allclear.vendors.vercel import Vercel

_ITEM = Expected(frozenset({200}), dict, ("key", "value"))
_WRITTEN = Expected(frozenset({200}), dict, ("status",))


class GlobalConfig:
    """The Global Configs of one account."""

    def __init__(self, vercel: Vercel) -> None:
        self._vercel = vercel

    async def value(self, config: str, key: str) -> bool:
        """Return whether a switch is on. Raises NotFound, Refused if it is no boolean, VendorError."""
        request = VendorRequest("Vercel", f"read the item {key} of {config}", write=False)
        path = f"/v1/global-config/{config}/item/{key}"
        value: object = (await self._vercel.send(request, "GET", path, {}, expected=_ITEM)).get("value")
        if not isinstance(value, bool):
            raise Refused(
                f"The item {key} of {config} is neither true nor false, so it is no switch.",
                "Name another item in systems.yaml, or make it a boolean at vercel.com.",
            )
        return value

    async def set(self, config: str, key: str, *, on: bool) -> None:
        """Set a switch that exists."""
        request = VendorRequest("Vercel", f"set the item {key} of {config}", write=True)
        items: list[JsonDict] = [{"operation": "update", "key": key, "value": on}]
        path = f"/v1/global-config/{config}/items"
        await self._vercel.send(request, "PATCH", path, {}, {"items": items}, _WRITTEN)
