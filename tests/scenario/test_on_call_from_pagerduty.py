"""PagerDuty says who is on duty: read while nothing is wrong, kept for two hours, then replaced by the rota."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from allclear.company import Company
from allclear.domain.plan import Rota
from allclear.domain.runbook import Phase
from allclear.engine.incidents import overrides_of
from allclear.simulator.faults import Fault
from tests.scenario.response_support import ALERT, broken
from tests.scenario.scenes import Scene, scene
from tests.scenario.test_messages_reach_people import with_rota

POLICY = "PONCALLPOL"


def company() -> Company:
    """Return VintStreet whose rota (Cleo, then Bela) follows PagerDuty."""
    company = with_rota("pagerduty.page_people", ids=True)
    rota = company.plan.rotas[0]
    roles = dict(company.plan.roles)
    roles["on_call"] = roles["on_call"].model_copy(update={"pager_policy": POLICY})
    followed = Rota.model_validate(rota.model_dump() | {"from_pager": True})
    return replace(company, plan=company.plan.model_copy(update={"rotas": [followed], "roles": roles}))


def on_duty(it: Scene) -> list[str]:
    """Return who is on duty now, layer by layer."""
    plan = it.engine.company.plan
    (rota,) = plan.rotas
    shifts = rota.on_duty(it.watch.now, plan.working_time, overrides_of(it.engine.journal, plan))
    return [shift.person for shift in shifts]


async def test_pagerduty_says_who_is_on_duty(tmp_path: Path) -> None:
    """Two people have swapped in PagerDuty; the page's link is for the person who is really called."""
    async with scene(tmp_path, company(), broken(), ALERT, link_key="k" * 32) as it:
        assert on_duty(it) == ["Cleo", "Bela"]
        it.simulated.world.pagerduty.on_call[POLICY] = ["PBELA1", "PCLEO1"]
        await it.engine.on_call_watch.update()
        assert on_duty(it) == ["Bela", "Cleo"]
        await it.to(Phase.DETECT)
        page = it.incident.act_of("detect", "page")
        assert page is not None
        assert page.proposed.params["link"]["person"] == "Bela"


async def test_the_same_answer_is_written_once_in_a_while(tmp_path: Path) -> None:
    """The journal does not grow with every look."""
    async with scene(tmp_path, company(), broken(), ALERT) as it:
        it.simulated.world.pagerduty.on_call[POLICY] = ["PBELA1", "PCLEO1"]
        for _ in range(12):
            await it.engine.on_call_watch.update()
            it.watch.now += timedelta(minutes=5)
        assert len(it.engine.journal.overrides("on_call")) == 4


@pytest.mark.parametrize("kind", ["unavailable", "permission_denied", "server_error", "login_page", "answer_lost"])
async def test_the_rota_counts_if_pagerduty_is_away_for_long(tmp_path: Path, kind: str) -> None:
    """The last answer counts for two hours; then the turns of the rota do, and nothing fails."""
    async with scene(tmp_path, company(), broken(), ALERT) as it:
        it.simulated.world.pagerduty.on_call[POLICY] = ["PBELA1", "PCLEO1"]
        await it.engine.on_call_watch.update()
        fault = {"api": "pagerduty_rest", "method": "list_on_calls", "kind": kind, "times": 99}
        it.simulated.world.faults.set(Fault.model_validate(fault))
        it.watch.now += timedelta(minutes=119)
        await it.engine.on_call_watch.update()
        assert on_duty(it) == ["Bela", "Cleo"]
        it.watch.now += timedelta(minutes=2)
        await it.engine.on_call_watch.update()
        assert on_duty(it) == ["Cleo", "Bela"]


async def test_a_person_whom_the_plan_does_not_name_changes_nothing(tmp_path: Path) -> None:
    """No one knows that person's role here, so the turn of the rota counts."""
    async with scene(tmp_path, company(), broken(), ALERT) as it:
        it.simulated.world.pagerduty.on_call[POLICY] = ["PSTRANGER", "PCLEO1"]
        await it.engine.on_call_watch.update()
        assert on_duty(it) == ["Cleo", "Cleo"]
