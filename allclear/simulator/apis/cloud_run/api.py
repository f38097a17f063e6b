"""Cloud Run over HTTP, both versions in one application. gRPC has a server of its own (`grpc.py`)."""

from __future__ import annotations

from starlette.applications import Starlette

from allclear.simulator.apis.cloud_run.http import google_app
from allclear.simulator.apis.cloud_run.rest_v1 import CloudRunV1
from allclear.simulator.apis.cloud_run.rest_v2 import CloudRunRest
from allclear.simulator.apis.cloud_run.service import CloudRun
from allclear.simulator.apis.registration import SimulatedApi
from allclear.simulator.faults import ANY_METHOD, FaultPoints
from allclear.simulator.scenario import Production
from allclear.simulator.world import World

METHODS = frozenset(
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
)


def _app(world: World, _: str) -> Starlette:
    cloud_run = CloudRun(world)
    return google_app([*CloudRunRest(cloud_run).routes(), *CloudRunV1(world, cloud_run).routes()])


def _place(scenario: Production) -> dict[str, str]:
    return {"project": scenario.project, "region": scenario.region}


API = SimulatedApi(
    "cloud_run",
    _app,
    FaultPoints(
        METHODS,
        concurrent_write="UpdateService",
        regional=True,
        only_on={
            "stale_read": "GetService",
            "lands_late": "UpdateService",
            "already_exists": "UpdateService",
            "act_as_denied": "UpdateService",
            "unauthenticated": ANY_METHOD,
        },
    ),
    options=_place,
)
