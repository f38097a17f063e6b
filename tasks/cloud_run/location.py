"""Which Cloud Run service an action changes. One act changes one service in one region."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from pydantic import Field

from allclear.domain.action import ActionContext, ParamProblem
from allclear.domain.errors import Refused
from allclear.domain.systems import Service
from allclear.vendors.cloud_run.client import CloudRun
from allclear.vendors.cloud_run.handle import CloudRunHandle, Region
from tasks.service_params import ServiceParams, handle_of


class CloudRunParams(ServiceParams):
    """Which service, and in which region."""

    region: Region | None = Field(default=None, description="Which region, for a service that runs in several.")


def locate(context: ActionContext, params: CloudRunParams) -> tuple[CloudRun, str]:
    """Return the client of the service's region, and the service's name there.

    Raises Refused if the service runs in several regions and `params` names none, or names one without it; ConfigError
    if systems.yaml gives the service no Cloud Run name.
    """
    handle = handle_of(context, params.service, CloudRunHandle, "Add its Cloud Run name there.")
    run = context.client(CloudRun)
    names = handle.by_region(run.region)
    regions = " and ".join(sorted(names))
    if params.region is None and len(names) > 1:
        raise Refused(
            f"{params.service} runs in {regions}, and one act changes one region.",
            f"Make a step for each, with `region: {min(names)}` and so on.",
        )
    if params.region is not None and params.region not in names:
        raise Refused(
            f"{params.service} does not run in {params.region}, but in {regions}.",
            "Correct `region`, or `cloud_run` in systems.yaml.",
        )
    region = params.region or next(iter(names))
    return run.at(region), names[region]


def check_region(params: CloudRunParams, services: Mapping[str, Service]) -> Iterator[ParamProblem]:
    """Yield what is wrong with the region, if systems.yaml lists the service's regions."""
    service = services.get(params.service)
    handle = service.handle(CloudRunHandle) if service else None
    if handle is None or not handle.regions:
        return
    regions = handle.regions
    if params.region is None and len(regions) > 1:
        yield ParamProblem(
            sentence=f"{params.service} runs in {' and '.join(sorted(regions))}, and no region is named.",
            next_step=f"Make a step for each, with `region: {min(regions)}` and so on.",
        )
    elif params.region is not None and params.region not in regions:
        yield ParamProblem(
            param="region", sentence=f"{params.service} does not run in {params.region}.", known=tuple(regions)
        )
