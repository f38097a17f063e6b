"""Checks before a traffic change. A check that could not be made is a warning, and stops nothing."""

from __future__ import annotations

from datetime import timedelta

from allclear.domain.action import Refusal
from allclear.domain.base import utc_now
from allclear.domain.errors import AllclearError, NotFound
from allclear.vendors.cloud_run.client import UPDATE_PERMISSION, CloudRun
from tasks.cloud_run.traffic_state import TrafficState, unfit

_ROLLING_OUT = timedelta(seconds=60)
"""A rollout that takes longer than this hangs, and no longer blocks a change."""


async def traffic_refusals(run: CloudRun, service: str, before: TrafficState, after: TrafficState) -> list[Refusal]:
    """Return why `before` must not become `after` now. A check that could not be made is a warning."""
    refusals = [refusal for name in after.shares() for refusal in await _unfit_target(run, service, before, name)]
    since = utc_now() - before.updated if before.updated else None
    if before.reconciling and since is not None and since < _ROLLING_OUT:
        last = before.last_changed()
        refusals.append(
            Refusal(
                sentence=f"Cloud Run is rolling out another change of {service} now{f' ({last})' if last else ''}.",
                next_step="It is waited for. If it does not end, find out who is deploying, and propose this again.",
                passes=True,
            )
        )
    return [*refusals, *await _missing_permission(run, service)]


async def _unfit_target(run: CloudRun, service: str, before: TrafficState, name: str) -> list[Refusal]:
    """Return why the revision called `name` cannot serve. If the revisions were not listed, it is read by its name."""
    if before.unlisted and before.revision(name) is None:
        try:
            found = await run.revision(service, name)
        except NotFound:
            pass
        except AllclearError as error:
            return [_unchecked(f"whether {name} can serve", error)]
        else:
            before = before.model_copy(update={"revisions": (found, *before.revisions)})
    fault = unfit(before, name)
    return [Refusal(sentence=f"{name} cannot serve: {fault}.", next_step="Name another revision.")] if fault else []


async def _missing_permission(run: CloudRun, service: str) -> list[Refusal]:
    try:
        if await run.may(service, UPDATE_PERMISSION):
            return []
    except AllclearError as error:
        return [_unchecked("whether our credentials may change the traffic", error)]
    whose = f" ({run.principal})" if run.principal else ""
    return [
        Refusal(
            sentence=f"Our credentials{whose} lack {UPDATE_PERMISSION} on {service}.",
            next_step=f"Give {run.principal or 'their service account'} the role roles/run.developer, "
            "or change the traffic by hand.",
        )
    ]


def _unchecked(what: str, error: AllclearError) -> Refusal:
    return Refusal(sentence=f"Not checked: {what} ({error.message.rstrip('.')}).", next_step="", warning=True)
