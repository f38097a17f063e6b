"""The read-only tests of PagerDuty's REST API: the key, the service, who asks, and those whom the plan would page."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from typing import ClassVar, Literal, cast

from typing_extensions import override

from allclear.domain.action import Client
from allclear.domain.errors import NotFound, Refused
from allclear.domain.preflight import Passed, PlannedUse, Preflight, PreflightCheck, Unproven
from allclear.domain.systems import Service
from allclear.vendors.pagerduty_rest import PagerDutyRest

Kind = Literal["user", "service", "escalation_policy"]


class PagerDutyRestPreflight(Preflight):
    """Reads what a page needs: that the service, the policies and the people exist, and that someone is on call."""

    client: ClassVar[type[Client]] = PagerDutyRest

    @override
    def checks(self, services: Mapping[str, Service], uses: list[PlannedUse]) -> Iterator[PreflightCheck]:
        pager = self.context.client(PagerDutyRest)
        yield PreflightCheck("key", partial(_key, pager))
        yield PreflightCheck(f"service {pager.service}", partial(_service, pager))
        yield PreflightCheck(f"requester {pager.requester}", partial(_requester, pager))
        for policy in _named(uses, "policy"):
            yield PreflightCheck(f"policy {policy}", partial(_policy, pager, policy))
        for person in _named(uses, "people"):
            yield PreflightCheck(f"user {person}", partial(_user, pager, person))


def _named(uses: list[PlannedUse], param: str) -> list[str]:
    """Return the ids that the plan gives for a parameter, each once; not those that a template fills in."""
    found: list[str] = []
    for use in uses:
        value: object = use.params.get(param)
        found += [str(one) for one in cast("list[object]", value)] if isinstance(value, list) else [str(value or "")]
    return list(dict.fromkeys(one for one in found if one and "{" not in one))


async def _key(pager: PagerDutyRest) -> Unproven:
    await pager.find("allclear/preflight")
    return Unproven(
        "The key can read pages; whether it may open them cannot be read.",
        "Page yourself once: allclear act COMPANY pagerduty.page_people incident=TEST summary=Test people=YOUR-ID.",
    )


async def _service(pager: PagerDutyRest) -> Passed:
    name, status = await _read(
        pager, "service", pager.service, "Write its id as `service` under `pagerduty_rest` in systems.yaml."
    )
    if status in ("disabled", "maintenance"):
        raise Refused(
            f"The service {name} is {'disabled' if status == 'disabled' else 'in a maintenance window'} in PagerDuty, "
            "so that its pages wake no one.",
            "Enable the service, or end its maintenance window, in PagerDuty.",
        )
    return Passed(f"The service {name} takes pages.")


async def _requester(pager: PagerDutyRest) -> Passed:
    await pager.check_requester()
    return Passed(f"{pager.requester} is a user of this account.")


async def _policy(pager: PagerDutyRest, policy: str) -> Passed:
    step = "Write the id of one that exists as `pager_policy` in plan.yaml."
    name, _ = await _read(pager, "escalation_policy", policy, step)
    on_call = await pager.on_call(policy)
    if not on_call:
        raise NotFound(
            f"No one is on call now by the escalation policy {name} ({policy}), so that its pages wake no one.",
            "Put people on its schedule in PagerDuty, or name another policy as `pager_policy` in plan.yaml.",
        )
    return Passed(f"By {name}, {' then '.join(on_call)} is called now.")


async def _user(pager: PagerDutyRest, person: str) -> Passed:
    name, _ = await _read(pager, "user", person, "Correct the person's `contacts.pagerduty` in plan.yaml.")
    return Passed(f"{name} is a user of this account.")


async def _read(pager: PagerDutyRest, kind: Kind, identity: str, step: str) -> tuple[str, str]:
    """Return the name and status of what has this id; a missing one is reported with the next step `step`."""
    try:
        return await pager.read(kind, identity)
    except NotFound as error:
        raise NotFound(f"PagerDuty has no {kind.replace('_', ' ')} {identity}.", step) from error
