"""The simulated Management API, and our requests to it, held to Supabase's published description."""

from __future__ import annotations

from datetime import timedelta

import pytest

from allclear.domain.base import utc_now
from allclear.domain.errors import Denied, NotFound, VendorRefused
from allclear.simulator.scenario_schema import SupabaseSpec
from allclear.vendors.supabase_management import SupabaseManagement
from tests.contract.described_transport import Described
from tests.contract.simulator_support import Simulated, quick, specification

REF = "abcdefghijklmnopqrst"


async def test_every_request_and_answer_fits_the_description() -> None:
    """All that the client can do, on a project with restore points."""
    described = Described(specification("supabase-management.openapi.json"))
    spec = SupabaseSpec.model_validate({"ref": REF, "restore_takes": "0s"})
    async with Simulated(quick("healthy", supabase=spec)) as sim:
        api = "supabase_management"
        client = SupabaseManagement(sim.endpoints[api], sim.secrets[api], transport=described)
        assert (await client.project(REF)).status == "ACTIVE_HEALTHY"
        assert await client.unhealthy(REF) == []
        window = await client.window(REF)
        assert window.enabled
        assert window.earliest is not None
        assert (await client.recovery(REF)).timeline == 1
        assert await client.migrations(REF) == []
        await client.mark(REF, "before-restore")
        assert await client.point_status(REF, "before-restore") == "AVAILABLE"
        await client.restore(REF, utc_now() - timedelta(hours=1))
        sim.world.database.status = "ACTIVE_HEALTHY"
        await client.undo(REF, "before-restore")
        with pytest.raises(NotFound, match="Restore point not found"):
            await client.point_status(REF, "another")
        await client.close()
    assert len(set(described.calls)) == 8


async def test_refusals_have_the_sentences_of_the_api() -> None:
    """A wrong token, a time outside the window, a plan without restore points."""
    spec = SupabaseSpec(ref=REF, restore_points=False)
    async with Simulated(quick("healthy", supabase=spec)) as sim:
        address = sim.endpoints["supabase_management"]
        stranger = SupabaseManagement(address, "sbp_wrong")
        with pytest.raises(Denied, match="Unauthorized"):
            await stranger.project(REF)
        client = SupabaseManagement(address, sim.secrets["supabase_management"])
        with pytest.raises(VendorRefused, match="outside of the available window"):
            await client.restore(REF, utc_now() - timedelta(days=30))
        with pytest.raises(Denied, match="not available on this plan"):
            await client.mark(REF, "before-restore")
        await stranger.close()
        await client.close()
