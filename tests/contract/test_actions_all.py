"""What holds for every action: a dry run writes nothing, and no secret is stored."""

from __future__ import annotations

from typing import Any

import pytest

from allclear.domain.action import AnyAction, Verdict
from tasks.cloud_run.restore_latest import RestoreLatest
from tasks.cloud_run.rollback import RollbackTraffic
from tasks.feature_flags import DisableFlag, EnableFlag
from tasks.maintenance import DisableMaintenance, EnableMaintenance, MaintenanceParams
from tasks.maintenance_handle import MaintenanceHandle
from tasks.pagerduty import Acknowledge, Page, Resolve
from tasks.pagerduty_people import PagePeople
from tasks.pagerduty_responders import AddResponders
from tasks.slack import PostMessage
from tasks.statuspage import OpenIncident
from tests.contract.actions_support import Carried, carried_out, dumped, production, proven, undone, worked_out
from tests.contract.simulator_support import recorded
from tests.unit.fakes_context import a_service

SERVICE = {"service": "storefront"}
OPEN = SERVICE | {"incident": "VS-1", "title": "Payments are failing", "message": "We are investigating."}
PAGE = {"incident": "VS-1", "summary": "Payments are failing"}
EVERY: list[tuple[type[AnyAction], dict[str, Any]]] = [
    (RollbackTraffic, SERVICE),
    (RestoreLatest, SERVICE),
    (DisableFlag, {"flag": "live_streams"}),
    (EnableFlag, {"flag": "maintenance_mode"}),
    (EnableMaintenance, SERVICE),
    (DisableMaintenance, SERVICE),
    (Page, PAGE),
    (Acknowledge, {"incident": "VS-1"}),
    (Resolve, {"incident": "VS-1"}),
    (PagePeople, PAGE),
    (AddResponders, PAGE | {"people": ["PBEN123"]}),
    (PostMessage, {"message": "VS-1", "text": "Investigating"}),
    (OpenIncident, OPEN),
]


@pytest.mark.parametrize(("kind", "raw"), EVERY, ids=lambda value: getattr(value, "name", ""))
@pytest.mark.parametrize(
    "mode", [MaintenanceHandle(flag="maintenance_mode"), MaintenanceHandle(revision_tag="maintenance")]
)
async def test_a_dry_run_writes_nothing_and_the_act_keeps_no_secret(
    kind: type[AnyAction], raw: dict[str, Any], mode: MaintenanceHandle
) -> None:
    """Observing, planning and prechecking write nothing, and what is stored of the act contains no key."""
    async with production(maintenance=mode) as (sim, context):
        action = kind(context)
        params, change = await worked_out(action, **raw)
        await action.precheck(params, change)
        assert recorded(sim, "write") == []
        receipt = await action.apply(params, change, "VS-1/contain/one")
        after, finding = await proven(action, params, change, receipt)
        kept = dumped(Carried(params, change, receipt, after, finding)) + repr(context.clients)
        assert [name for name, secret in sim.secrets.items() if secret in kept] == []


async def test_a_service_with_a_flag_and_a_revision_is_closed_by_the_one_that_is_named() -> None:
    """Without a name it is the flag; the revision works while the database is down."""
    async with production(maintenance=MaintenanceHandle(flag="maintenance_mode", revision_tag="maintenance")) as (
        sim,
        context,
    ):
        action = EnableMaintenance(context)
        _, by_flag = await worked_out(action, service="storefront")
        assert by_flag.resource == "flag:maintenance_mode"
        sim.world.database.go_down()
        done = await carried_out(action, service="storefront", by="revision")
        assert done.change.resource.startswith("traffic:")
        assert sim.world.serving() == {"vintstreet-00030-mnt": 100}
        back = await undone(action, done)
        assert back.finding.verdict is Verdict.SUCCESS


def test_a_service_without_what_is_named_is_reported() -> None:
    """`allclear check` says what the service has."""
    services = {"storefront": a_service(maintenance=MaintenanceHandle(flag="maintenance_mode"))}
    params = MaintenanceParams(service="storefront", by="revision")
    [problem] = EnableMaintenance.check_params(params, services)
    assert (problem.param, problem.known) == ("by", ("flag",))
