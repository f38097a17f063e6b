"""`allclear doctor` and PagerDuty's REST API: what the plan names exists, and someone is on call."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from allclear.company import Company
from allclear.engine.doctor import Problem
from allclear.simulator.pagerduty_pages import PagerDutyPages
from tests.contract.simulator_support import fault, recorded
from tests.contract.test_preflights import simulated
from tests.scenario.test_three_phones import ASKED_TO_JOIN, PAGED_ANEW
from tests.scenario.test_three_phones import company as with_phones


def company(page: str = "join") -> Company:
    """Return VintStreet with people and policies that PagerDuty calls."""
    named, plain = with_phones(named=True), with_phones(named=False)
    action = ASKED_TO_JOIN if page == "join" else PAGED_ANEW
    rules = named.plan.reminders.model_validate({"message": named.plan.reminders.message, "page": action})
    plan = named.plan.model_copy(update={"roles": plain.plan.roles, "reminders": rules})
    return replace(named, plan=plan)


async def test_all_that_the_plan_names_is_read_and_nothing_is_written(tmp_path: Path) -> None:
    """The service, who asks, three policies with who is on call, four people, and whether the account may ask."""
    async with simulated(tmp_path, company()) as (simulation, engine):
        simulation.world.pagerduty.on_call["PPOLTWO"] = ["PBEN002", "PCLEO03"]
        reports = await engine.doctor.examine(["pagerduty_rest"])
        assert recorded(simulation, "write") == []
    assert {one.target: one.problem for one in reports} == {
        "key": Problem.UNPROVEN,
        "service PSIMULA": None,
        "requester allclear@simulated.example": None,
        "policy PPOLONE": None,
        "policy PPOLTWO": None,
        "policy PPOLTRE": None,
        "user PANA001": None,
        "user PBEN002": None,
        "user PCLEO03": None,
        "user PDEE004": None,
        "responder requests": None,
    }
    (tech_lead,) = [one.sentence for one in reports if one.target == "policy PPOLTWO"]
    assert tech_lead == "By Policy PPOLTWO, PBEN002 then PCLEO03 is called now."


def _no_one(pages: PagerDutyPages) -> None:
    pages.on_call["PPOLTRE"] = []


def _disabled(pages: PagerDutyPages) -> None:
    pages.service_status = "disabled"


def _no_ability(pages: PagerDutyPages) -> None:
    pages.abilities.clear()


def _missing(identity: str) -> Callable[[PagerDutyPages], None]:
    """Return what takes a user, service or policy away."""

    def take_away(pages: PagerDutyPages) -> None:
        pages.unknown.add(identity)

    return take_away


@pytest.mark.parametrize(
    ("break_it", "problem", "sentence", "step"),
    [
        (_no_one, Problem.NOT_THERE, "No one is on call now by the escalation policy Policy PPOLTRE", "its schedule"),
        (_disabled, Problem.WRONG, "The service Simulated is disabled in PagerDuty", "Enable the service"),
        (_no_ability, Problem.NOT_THERE, "has no responder requests", "`action: pagerduty.page_people`"),
        (_missing("PPOLTWO"), Problem.NOT_THERE, "no escalation policy PPOLTWO", "pager_policy"),
        (_missing("PBEN002"), Problem.NOT_THERE, "no user PBEN002", "`contacts.pagerduty`"),
        (_missing("PSIMULA"), Problem.NOT_THERE, "no service PSIMULA", "`service`"),
        (
            _missing("allclear@simulated.example"),
            Problem.NOT_THERE,
            "no user with the mail address allclear@simulated.example",
            "`requester`",
        ),
    ],
)
async def test_what_would_wake_no_one_is_said_with_the_next_step(
    tmp_path: Path, break_it: Callable[[PagerDutyPages], None], problem: Problem, sentence: str, step: str
) -> None:
    """One sentence and one next step, and only for what is wrong."""
    async with simulated(tmp_path, company()) as (simulation, engine):
        break_it(simulation.world.pagerduty)
        (wrong,) = [one for one in await engine.doctor.examine(["pagerduty_rest"]) if one.failed]
    assert wrong.problem is problem
    assert sentence in wrong.sentence
    assert step in wrong.next_step


@pytest.mark.parametrize(
    ("kind", "problem", "words"),
    [
        ("permission_denied", Problem.REFUSED, "does not allow our key to read"),
        ("unavailable", Problem.UNREACHABLE, "could not be reached to read"),
        ("login_page", Problem.UNREACHABLE, "as a proxy or a login page does"),
    ],
)
async def test_a_key_without_the_scope_is_told_from_an_api_that_is_away(
    tmp_path: Path, kind: str, problem: Problem, words: str
) -> None:
    """The key may read incidents, and neither policies nor users."""
    async with simulated(tmp_path, company("anew")) as (simulation, engine):
        await fault(simulation, "pagerduty_rest", "read_directory", kind, times=999)
        wrong = [one for one in await engine.doctor.examine(["pagerduty_rest"]) if one.failed]
    assert {one.problem for one in wrong} == {problem}
    assert len(wrong) == 9
    assert all(words in one.sentence or "find the user" in one.sentence for one in wrong)
    assert all(one.next_step for one in wrong)


async def test_pages_by_a_routing_key_test_the_rest_api_too_if_it_is_described(tmp_path: Path) -> None:
    """`pagerduty.page` reads there which incident holds its page."""
    plan = company()
    without = plan.plan.model_copy(update={"reminders": plan.plan.reminders.model_copy(update={"page": None})})
    async with simulated(tmp_path, replace(plan, plan=without)) as (_, engine):
        reports = await engine.doctor.examine(["pagerduty_rest"])
    assert [one.target for one in reports] == ["key", "service PSIMULA", "requester allclear@simulated.example"]
