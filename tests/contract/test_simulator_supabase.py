"""The simulated Supabase, used by the synchronous and the asynchronous client of ``supabase-py``."""

# ruff: noqa: ANN401 - the vendors' answers can be anything

from __future__ import annotations

import asyncio
from typing import Any

import httpx
import pytest
from postgrest.exceptions import APIError
from supabase import AsyncClient, acreate_client, create_client
from supabase.lib.client_options import AsyncClientOptions, SyncClientOptions

from tests.contract.simulator_support import Simulated, control, fault, quick, recorded

# supabase-py passes two options to its own part that this part calls deprecated.
pytestmark = pytest.mark.filterwarnings("ignore:The '(timeout|verify)' parameter")


async def _client(simulation: Simulated) -> AsyncClient:
    url, key = simulation.endpoints["supabase"], simulation.secrets["supabase"]
    http = await simulation.clients.enter_async_context(httpx.AsyncClient())
    return await acreate_client(url, key, AsyncClientOptions(httpx_client=http))


async def test_flag_switched_off_by_the_client_stops_its_errors() -> None:
    """The database's flag is the storefront's flag."""
    async with Simulated(quick("broken-feature")) as sim:
        flags = (await _client(sim)).table("feature_flags")
        changed = await flags.update({"enabled": False}).eq("name", "live_streams").execute()
        assert changed.data[0]["enabled"] is False
        async with httpx.AsyncClient(base_url=sim.endpoints["storefront"]) as client:
            statuses = {(await client.get("/api/streams")).status_code for _ in range(10)}
        assert statuses == {200}
        assert recorded(sim, "flag_changed", flag="live_streams", enabled=False, by="supabase")
        assert recorded(sim, "write", api="supabase", result="done")[0]["rows"] == 1


async def test_synchronous_client_reads_and_writes_too() -> None:
    """The blocking client sees the same table."""
    async with Simulated(quick("healthy")) as sim:
        url, key = sim.endpoints["supabase"], sim.secrets["supabase"]

        def switch() -> Any:
            with httpx.Client() as http:
                client = create_client(url, key, SyncClientOptions(httpx_client=http))
                flags = client.table("feature_flags")
                flags.update({"enabled": False}).eq("name", "new_checkout").execute()
                return flags.select("name,enabled").eq("enabled", value=False).order("name").execute()

        rows = (await asyncio.to_thread(switch)).data
        assert [row["name"] for row in rows] == ["maintenance_mode", "new_checkout"]


async def test_a_write_with_an_old_version_changes_no_row_and_is_not_an_error() -> None:
    """Each write increments the version. A filter that matches no row is answered 200 with no rows."""
    async with Simulated(quick("healthy")) as sim:
        flags = (await _client(sim)).table("feature_flags")
        first = await flags.update({"enabled": False}).match({"name": "new_checkout", "version": 1}).execute()
        assert first.data[0]["version"] == 2
        again = await flags.update({"enabled": True}).match({"name": "new_checkout", "version": 1}).execute()
        assert again.data == []
        moment = first.data[0]["updated_at"]
        found = await flags.select("*").eq("updated_at", moment).execute()
        assert [row["name"] for row in found.data] == ["new_checkout"]


async def test_the_stale_etag_fault_is_a_write_by_another_client() -> None:
    """It changes the version, so a write with the old one matches no row."""
    async with Simulated(quick("healthy")) as sim:
        await fault(sim, "supabase", "update", "stale_etag")
        flags = (await _client(sim)).table("feature_flags")
        missed = await flags.update({"enabled": False}).match({"name": "new_checkout", "version": 1}).execute()
        assert missed.data == []


async def test_queries_select_order_limit_and_count() -> None:
    """They work as in PostgREST."""
    async with Simulated(quick("healthy")) as sim:
        flags = (await _client(sim)).table("feature_flags")
        found = await flags.select("name", count="exact").order("name", desc=True).limit(2).execute()
        assert found.data == [{"name": "new_checkout"}, {"name": "maintenance_mode"}]
        assert found.count == 3
        some = await flags.select("name").in_("name", ["live_streams", "nothing"]).execute()
        assert some.data == [{"name": "live_streams"}]


async def test_a_query_for_one_row_with_another_number_of_rows_is_406() -> None:
    """There are several, or none."""
    async with Simulated(quick("healthy")) as sim:
        flags = (await _client(sim)).table("feature_flags")
        one = await flags.select("*").eq("name", "new_checkout").single().execute()
        assert one.data["name"] == "new_checkout"
        with pytest.raises(APIError) as caught:
            await flags.select("*").eq("name", "nothing").single().execute()
        assert caught.value.code == "PGRST116"


@pytest.mark.parametrize(
    ("table", "ask", "code"),
    [
        ("flags", lambda t: t.select("*"), "PGRST205"),
        ("feature_flags", lambda t: t.select("colour"), "42703"),
        ("feature_flags", lambda t: t.select("*").eq("colour", 1), "42703"),
        ("feature_flags", lambda t: t.select("*").eq("enabled", "perhaps"), "22P02"),
        ("feature_flags", lambda t: t.select("*").eq("updated_at", "today?"), "22007"),
        ("feature_flags", lambda t: t.select("*").gt("version", 1), "PGRST100"),
        ("feature_flags", lambda t: t.update({"colour": 1}).eq("name", "x"), "PGRST204"),
        ("feature_flags", lambda t: t.update({"enabled": "x"}).eq("name", "x"), "22P02"),
        ("feature_flags", lambda t: t.update({"enabled": True}), "21000"),
        ("feature_flags", lambda t: t.insert({"name": "x"}), "PGRST117"),
        (
            "feature_flags",
            lambda t: t.update({"enabled": True}).neq("name", "x").max_affected(1),
            "PGRST124",
        ),
    ],
)
async def test_an_invalid_request_has_postgrests_error(table: str, ask: Any, code: str) -> None:
    """Unknown tables and columns, wrong types and unsafe writes each have their code."""
    async with Simulated(quick("healthy")) as sim:
        before = sim.world.flags.rows()
        with pytest.raises(APIError) as caught:
            await ask((await _client(sim)).table(table)).execute()
        assert caught.value.code == code
        assert caught.value.message
        assert sim.world.flags.rows() == before


async def test_a_wrong_key_is_401() -> None:
    """Without the secret nothing is read or written."""
    async with Simulated(quick("healthy")) as sim:
        url = f"{sim.endpoints['supabase']}/rest/v1/feature_flags"
        async with httpx.AsyncClient() as client:
            assert (await client.get(url)).status_code == 401
            wrong = await client.get(url, headers={"apikey": "sb_secret_wrong"})
        assert wrong.status_code == 401
        assert wrong.json()["message"] == "Invalid API key"


async def test_a_write_whose_answer_is_lost_takes_effect() -> None:
    """The connection breaks, and the flag is off."""
    async with Simulated(quick("healthy")) as sim:
        await fault(sim, "supabase", "update", "answer_lost")
        flags = (await _client(sim)).table("feature_flags")
        with pytest.raises(httpx.TransportError):
            await flags.update({"enabled": False}).eq("name", "new_checkout").execute()
        assert (await control(sim, "GET", "/state"))["flags"]["new_checkout"] is False


async def test_the_permission_fault_is_an_error_of_postgresql() -> None:
    """The database refuses a write with a key that may only read."""
    async with Simulated(quick("healthy")) as sim:
        await fault(sim, "supabase", "update", "permission_denied")
        flags = (await _client(sim)).table("feature_flags")
        with pytest.raises(APIError) as caught:
            await flags.update({"enabled": False}).eq("name", "new_checkout").execute()
        assert caught.value.code == "42501"
