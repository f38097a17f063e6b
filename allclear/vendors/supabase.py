"""Feature flags in a Supabase table: read one, and set one only if it still is what we saw.

Source: supabase-py 2.34.1 and PostgREST, tried 2026-11:
- `postgrest` is the part of supabase-py that reads and writes tables (`client.table(...)` is its object). Only that
  part is imported: the whole package adds sign-in, realtime and storage, 12 MB and 0.3 s that a flag does not need.
- Wire: `PATCH /rest/v1/feature_flags?name=eq.X&enabled=eq.true`, headers `apikey` and `authorization: Bearer`,
  `prefer: return=representation`.
- **No row is 200 with `[]`, not an error**: absent, changed meanwhile and hidden by row security look the same.
- One name may have several rows, one for each environment for example: a filter on the name alone would read and change
  them all. A boolean column may be NULL, and `enabled=eq.false` does not match NULL: `enabled=is.null` does.
- The library's timeout is 120 s and its retries of reads wait 1, 2 and 4 s: ours replace both.
- Its APIError has the code of PostgREST but not the HTTP status: a response hook stores the response.
- Keys for browsers are `sb_publishable_...`, or a JSON Web Token whose role is `anon`; those for servers are
  `sb_secret_...`, or one whose role is `service_role` (supabase.com/docs/guides/api/api-keys).
- Codes: 42501 and PGRST301 to PGRST303 permission, 42P01 and PGRST205 no such table, 42703 no such column.
"""

# pyright: reportUnknownMemberType=false
# reason: postgrest types JSON with bare containers; `_rows` gives the rows their type.

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import Callable
from contextvars import ContextVar
from enum import StrEnum
from importlib import import_module
from typing import TYPE_CHECKING, Annotated, ClassVar, Self, cast

from pydantic import Field

from allclear.domain.base import JsonDict, Model
from allclear.domain.errors import AllclearError, NotFound, Refused
from allclear.domain.systems import Access
from allclear.vendors.access import options_of, redacted, secret_of, web_address
from allclear.vendors.errors import VendorRequest, one_line, seconds_to_wait
from allclear.vendors.http import HttpClient, OverHttp, content_words
from allclear.vendors.per_loop import PerLoop
from allclear.vendors.retry import Pause

if TYPE_CHECKING:
    import httpx
    from postgrest import AsyncPostgrestClient, AsyncRequestBuilder, AsyncSelectRequestBuilder
    from postgrest.exceptions import APIError

_PERMISSION = frozenset({"42501", "PGRST301", "PGRST302", "PGRST303"})
_UNKNOWN_NAME = frozenset({"42P01", "42703", "PGRST204", "PGRST205"})

_LAST_RESPONSE: ContextVar[httpx.Response] = ContextVar("last_response")
"""The HTTP response behind the library's own result, for each asyncio task."""

_COLUMN = r"^[A-Za-z_][A-Za-z0-9_]{0,62}$"


class SupabaseOptions(Model):
    """The table and columns that hold the flags."""

    table: str = Field(default="feature_flags", pattern=_COLUMN, description="The table of flags.")
    name_column: str = Field(default="name", pattern=_COLUMN, description="The column of the flag's name.")
    enabled_column: str = Field(default="enabled", pattern=_COLUMN, description="The boolean column.")
    key_columns: dict[Annotated[str, Field(pattern=_COLUMN)], str | int | bool] = Field(
        default={}, description="Other columns of a flag's key, each with its value, as `environment: production`."
    )


class FlagWrite(StrEnum):
    """What became of a write."""

    CHANGED = "changed"
    ALREADY = "already"
    """Another writer set it to the same value first."""


class SupabaseFlags(OverHttp):
    """Reads and sets the flags of one Supabase project."""

    system: ClassVar[str] = "supabase"
    libraries: ClassVar[tuple[str, ...]] = ("postgrest",)
    """What its first call imports: the runner imports it beforehand."""
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
        self._http = HttpClient("Supabase", address, secret=secret, transport=transport, pause=pause)
        self._tables: PerLoop[AsyncPostgrestClient] = PerLoop(self._make, _leave_open)

    def __repr__(self) -> str:
        """Return the address and the table, without the secret."""
        return f"SupabaseFlags({redacted(self._http.base)!r}, table={self._options.table!r})"

    @classmethod
    def connect(cls, access: Access) -> Self:
        """Return a client; sends nothing yet. Raises ConfigError or MissingSecret."""
        options = options_of(access, SupabaseOptions)
        return cls(web_address(access), secret_of(access), options)

    async def warm(self) -> None:
        """Load what the first call needs, beside other work."""
        await self._http.warm()
        await asyncio.to_thread(import_module, "postgrest")

    async def close(self) -> None:
        """Release its connections."""
        await self._tables.close()
        await super().close()

    def _make(self) -> AsyncPostgrestClient:
        from postgrest import AsyncPostgrestClient  # noqa: PLC0415 - loaded by `warm`

        pool = self._http.pool
        pool.event_hooks = {"response": [_store_response]}
        return AsyncPostgrestClient(
            f"{self._http.base}/rest/v1",
            headers={"apikey": self._secret, "authorization": f"Bearer {self._secret}"},
            http_client=pool,
            retry_enabled=False,
        )

    @property
    def key_is_public(self) -> bool:
        """Return whether the key is one for browsers, which row security usually keeps from changing anything."""
        return self._secret.startswith("sb_publishable_") or _role(self._secret) == "anon"

    async def enabled(self, flag: str) -> bool | None:
        """Return whether `flag` is on; None for NULL, which applications treat as off.

        Raises NotFound if our key can see no such flag, and Refused if several rows have its name or if its value is
        not a boolean.
        """
        request = VendorRequest("Supabase", f"read the flag {flag}", write=False)
        options = self._options
        rows = await self._rows(request, lambda table: table.select(options.enabled_column), flag)
        if not rows:
            raise NotFound(
                f"There is no flag {flag}{self._where()} in {options.table} that our key may see.",
                "Check its name and `key_columns` in systems.yaml, and that row security lets the key read it.",
            )
        if len(rows) > 1:
            raise _not_unique(flag, options.table, await self._rows(request, lambda table: table.select("*"), flag))
        value: object = rows[0].get(options.enabled_column)
        if value is not None and not isinstance(value, bool):
            raise Refused(
                f"The flag {flag} is not a boolean: {options.table}.{options.enabled_column} holds {_type_of(value)}.",
                "Name the boolean column (`enabled_column` in systems.yaml), or change the column's type to boolean.",
            )
        return value

    def _where(self) -> str:
        """Return the other columns of the key in words."""
        return "".join(f", {column} {value}" for column, value in self._options.key_columns.items())

    async def set(self, flag: str, *, to: bool, seen: bool | None) -> FlagWrite:
        """Set `flag` if it still is `seen`; None is NULL.

        Raises VendorRefused if the flag no longer exists, and Denied if our key can read it but row security does
        not let the key change it.
        """
        request = VendorRequest("Supabase", f"switch the flag {flag} {'on' if to else 'off'}", write=True)
        column = self._options.enabled_column

        def change(table: AsyncRequestBuilder) -> AsyncSelectRequestBuilder:
            update = table.update({column: to})
            return update.is_(column, "null") if seen is None else update.eq(column, seen)

        if await self._rows(request, change, flag):
            return FlagWrite.CHANGED
        # Nothing was written: only a second read tells why.
        try:
            now = await self.enabled(flag)
        except NotFound:
            raise request.refused("it does not exist, or our key can no longer see it") from None
        if now == to:
            return FlagWrite.ALREADY
        raise request.denied("our key can read it, but row security does not let the key change it")

    async def _rows(
        self,
        request: VendorRequest,
        build: Callable[[AsyncRequestBuilder], AsyncSelectRequestBuilder],
        flag: str,
    ) -> list[JsonDict]:
        """Return the rows of a query on `flag` and its key columns, with the retries and errors of all our clients."""
        await self.warm()
        from postgrest.exceptions import APIError  # noqa: PLC0415 - loaded by `warm`

        query = build(self._tables.get().from_(self._options.table)).eq(self._options.name_column, flag)
        for column, value in self._options.key_columns.items():
            query = query.eq(column, value)
        answers: list[object] = []
        problem: APIError | None = None

        async def send_once() -> httpx.Response:
            nonlocal problem
            problem = None
            try:
                answers.append(cast("object", (await query.execute()).data))
            except APIError as error:
                problem = error
            return _LAST_RESPONSE.get()

        response = await self._http.send_with_retries(request, send_once)
        if problem is not None:
            raise self._error_for(request, problem, response) from None
        rows = answers[-1] if answers else None
        if not isinstance(rows, list):
            # The library returns whatever a proxy put into a 200; that says nothing about the row.
            raise request.not_from_vendor(response.status_code, content_words(response))
        return cast("list[JsonDict]", rows)

    def _error_for(self, request: VendorRequest, error: APIError, response: httpx.Response) -> AllclearError:
        reason = one_line(self._http.without_secret(str(error.message or error.details or "it gave no reason")))
        if response.is_success:
            return request.not_from_vendor(response.status_code, content_words(response))
        if error.code in _PERMISSION:
            return request.denied(reason)
        if error.code in _UNKNOWN_NAME:
            return request.not_found(reason)
        return request.error_for(response.status_code, reason, seconds_to_wait(response.headers.get("retry-after")))


def _role(key: str) -> str:
    """Return the role that a key of the old kind, a JSON Web Token, names; empty for every other key."""
    try:
        claims = key.split(".")[1]
        content: object = json.loads(base64.urlsafe_b64decode(claims + "=" * (-len(claims) % 4)))
        return str(cast("JsonDict", content).get("role", "")) if isinstance(content, dict) else ""
    except (ValueError, IndexError):
        return ""


def _not_unique(flag: str, table: str, rows: list[JsonDict]) -> Refused:
    """Return the refusal for a name that several rows have; it names the columns in which they differ."""
    differing = [column for column in rows[0] if len({str(row.get(column)) for row in rows}) > 1] if rows else []
    return Refused(
        f"{len(rows)} rows of {table} have the flag {flag}, so it is not known which one counts. They differ in: "
        f"{', '.join(differing) or 'nothing'}.",
        "Name the rest of a flag's key under `supabase` in systems.yaml, as "
        f"`key_columns: {{{differing[0] if differing else 'environment'}: VALUE}}`.",
    )


def _type_of(value: object) -> str:
    """Return the type of a JSON value in words."""
    kinds = {"str": "text", "int": "a number", "float": "a number", "list": "a list", "dict": "an object"}
    name = type(value).__name__
    return kinds.get(name, name)


async def _store_response(response: httpx.Response) -> None:
    _LAST_RESPONSE.set(response)


async def _leave_open(_: object) -> None:
    """Close nothing: the connections belong to the HttpClient, which closes them."""
