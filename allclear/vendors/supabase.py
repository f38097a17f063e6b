"""Feature flags in a Supabase table: read one, and set one only if it still is what we saw.

Source: supabase-py 2.34.1 and PostgREST, tried 2026-11:
- `postgrest` is the part of supabase-py that speaks to tables (`client.table(...)` is its object). We take that part
  alone: the whole package brings sign-in, realtime and storage along, 12 MB and 0.3 s that a flag does not need.
- Wire: `PATCH /rest/v1/feature_flags?name=eq.X&enabled=eq.true`, headers `apikey` and `authorization: Bearer`,
  `prefer: return=representation`.
- **No row is 200 with `[]`, not an error**: absent, changed meanwhile and hidden by row security look the same.
- The library's timeout is 120 s and its own retries of reads wait 1, 2 and 4 s: we bring our own for both.
- Its APIError keeps the code of PostgREST but not the HTTP status: a response hook keeps that for us.
- Codes: 42501 and PGRST301 to PGRST303 permission, 42P01 and PGRST205 no such table, 42703 no such column.
"""

# pyright: reportUnknownMemberType=false
# reason: postgrest types JSON with bare containers; `_rows` gives the rows their type.

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextvars import ContextVar
from enum import StrEnum
from importlib import import_module
from typing import TYPE_CHECKING, ClassVar, Self, cast

from pydantic import Field

from allclear.domain.base import JsonDict, Model
from allclear.domain.errors import AllclearError, NotFound
from allclear.domain.systems import Access
from allclear.vendors.access import options_of, secret_of, shown, web_address
from allclear.vendors.errors import Call, seconds_to_wait
from allclear.vendors.http import Pause, Wire
from allclear.vendors.per_loop import PerLoop

if TYPE_CHECKING:
    import httpx
    from postgrest import AsyncPostgrestClient, AsyncRequestBuilder, AsyncSelectRequestBuilder
    from postgrest.exceptions import APIError

_PERMISSION = frozenset({"42501", "PGRST301", "PGRST302", "PGRST303"})
_UNKNOWN_NAME = frozenset({"42P01", "42703", "PGRST204", "PGRST205"})

_LAST: ContextVar[httpx.Response] = ContextVar("last_answer")
"""The answer behind the library's own result, in the task that asked."""

_COLUMN = r"^[A-Za-z_][A-Za-z0-9_]{0,62}$"


class SupabaseOptions(Model):
    """Where the flags are kept."""

    table: str = Field(default="feature_flags", pattern=_COLUMN, description="The table of flags.")
    name_column: str = Field(default="name", pattern=_COLUMN, description="The column of the flag's name.")
    enabled_column: str = Field(default="enabled", pattern=_COLUMN, description="The boolean column.")


class FlagWrite(StrEnum):
    """What became of a write."""

    CHANGED = "changed"
    ALREADY = "already"
    """Somebody else set it to the same value first."""


class SupabaseFlags:
    """Reads and sets the flags of one Supabase project."""

    system: ClassVar[str] = "supabase"
    options: ClassVar[type[Model]] = SupabaseOptions

    def __init__(
        self,
        address: str,
        secret: str,
        options: SupabaseOptions,
        transport: httpx.AsyncBaseTransport | None = None,
        pause: Pause = asyncio.sleep,
    ) -> None:
        self._options = options
        self._secret = secret
        self._wire = Wire("Supabase", address, secret=secret, transport=transport, pause=pause)
        self._tables: PerLoop[AsyncPostgrestClient] = PerLoop(self._make, _nothing)

    def __repr__(self) -> str:
        """Return where it is aimed, without its secret."""
        return f"SupabaseFlags({shown(self._wire.base)!r}, table={self._options.table!r})"

    @classmethod
    def connect(cls, access: Access) -> Self:
        """Return a client; sends nothing yet. Raises ConfigError or MissingSecret."""
        options = options_of(access, SupabaseOptions)
        return cls(web_address(access), secret_of(access), options)

    async def warm(self) -> None:
        """Load what the first call needs, beside other work."""
        await self._wire.warm()
        await asyncio.to_thread(import_module, "postgrest")

    async def close(self) -> None:
        """Release its connections."""
        await self._tables.close()
        await self._wire.close()

    def _make(self) -> AsyncPostgrestClient:
        from postgrest import AsyncPostgrestClient  # noqa: PLC0415 - loaded by `warm`

        http = self._wire.http
        http.event_hooks = {"response": [_keep]}
        return AsyncPostgrestClient(
            f"{self._wire.base}/rest/v1",
            headers={"apikey": self._secret, "authorization": f"Bearer {self._secret}"},
            http_client=http,
            retry_enabled=False,
        )

    async def enabled(self, flag: str) -> bool:
        """Return whether `flag` is on. Raises NotFound where no such flag can be seen."""
        call = Call("Supabase", f"read the flag {flag}", write=False)
        rows = await self._rows(call, lambda table: table.select(self._options.enabled_column), flag, None)
        if not rows:
            raise NotFound(
                f"There is no flag {flag} in {self._options.table} that our key may see.",
                "Check its name, and that row security lets the key read it.",
            )
        return bool(rows[0].get(self._options.enabled_column))

    async def set(self, flag: str, *, to: bool, seen: bool) -> FlagWrite:
        """Set `flag`, provided it still is `seen`.

        Raises NotFound's counterpart for a write, VendorRefused, where the flag is gone, and Denied where it can
        be read but row security keeps the key from changing it.
        """
        call = Call("Supabase", f"switch the flag {flag} {'on' if to else 'off'}", write=True)
        change = {self._options.enabled_column: to}
        if await self._rows(call, lambda table: table.update(change), flag, seen):
            return FlagWrite.CHANGED
        # Nothing was written: only a second look tells why.
        try:
            now = await self.enabled(flag)
        except NotFound:
            raise call.refused("it is not there, or no longer visible to our key") from None
        if now == to:
            return FlagWrite.ALREADY
        raise call.denied("it can be read, but row security does not let it be changed")

    async def _rows(
        self,
        call: Call,
        ask: Callable[[AsyncRequestBuilder], AsyncSelectRequestBuilder],
        flag: str,
        seen: bool | None,  # noqa: FBT001 - None is its third value
    ) -> list[JsonDict]:
        """Return the rows that a query on `flag` gave, with the retries and errors of all our clients."""
        await self.warm()
        from postgrest.exceptions import APIError  # noqa: PLC0415 - loaded by `warm`

        query = ask(self._tables.here().from_(self._options.table)).eq(self._options.name_column, flag)
        if seen is not None:
            query = query.eq(self._options.enabled_column, seen)
        answers: list[object] = []
        problem: APIError | None = None

        async def once() -> httpx.Response:
            nonlocal problem
            problem = None
            try:
                answers.append(cast("object", (await query.execute()).data))
            except APIError as error:
                problem = error
            return _LAST.get()

        response = await self._wire.patiently(call, once)
        if problem is not None:
            raise self._meaning(call, problem, response) from None
        found = answers[-1] if answers else None
        if not isinstance(found, list):
            # The library hands on whatever a proxy put into a 200; it says nothing about the row.
            raise call.lost("its answer cannot be read")
        return cast("list[JsonDict]", found)

    def _meaning(self, call: Call, error: APIError, response: httpx.Response) -> AllclearError:
        words = self._wire.hide(str(error.message or error.details or "it gave no reason"))
        if response.is_success:
            return call.lost("its answer cannot be read")
        if error.code in _PERMISSION:
            return call.denied(words)
        if error.code in _UNKNOWN_NAME:
            return call.missing(words)
        return call.by_status(response.status_code, words, seconds_to_wait(response.headers.get("retry-after")))


async def _keep(response: httpx.Response) -> None:
    _LAST.set(response)


async def _nothing(_: object) -> None:
    """Leave closing to the wire, whose connections these are."""
