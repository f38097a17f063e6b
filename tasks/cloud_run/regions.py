"""Which Cloud Run service is meant: one act changes one service in one region."""

from __future__ import annotations

from allclear.domain.action import ActionContext
from allclear.domain.errors import ConfigError, Refused
from allclear.vendors.cloud_run.client import CloudRun


def located(context: ActionContext, service: str, region: str | None) -> tuple[CloudRun, str]:
    """Return the client of the region, and the service's name there.

    Raises Refused for a service in several regions while none is named, or for one that it is not in, and ConfigError
    where systems.yaml gives it no Cloud Run name.
    """
    names = context.service(service).cloud_run
    if not names:
        raise ConfigError(f"The service {service} has no `cloud_run` in systems.yaml.", "Add its Cloud Run name there.")
    run = context.client(CloudRun)
    places = {run.region: names} if isinstance(names, str) else names
    there = " and ".join(sorted(places))
    if region is None and len(places) > 1:
        raise Refused(
            f"{service} runs in {there}, and one act changes one region.",
            f"Make a step for each, with `region: {min(places)}` and so on.",
        )
    if region is not None and region not in places:
        raise Refused(
            f"{service} does not run in {region}, but in {there}.", "Correct `region`, or `cloud_run` in systems.yaml."
        )
    chosen = region or next(iter(places))
    return run.at(chosen), places[chosen]
