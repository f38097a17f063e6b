"""Texts that a template makes too long: each action shortens them with a mark, so that no message is lost."""

from __future__ import annotations

from typing import Any

from allclear.domain.action import AnyAction, Verdict
from allclear.engine.actions.registry import Registry, read_params
from allclear.simulator.scenario_schema import TwilioSpec
from allclear.vendors.lengths import CUT
from tests.contract.actions_support import production, worked_out
from tests.contract.simulator_support import quick
from tests.contract.test_actions_email import SENDER, Links
from tests.contract.twilio_support import ANA
from tests.unit.fakes_context import FakeRecord

LONG = "Payments have failed since 02:10 UTC. " * 4_000
MAIL: dict[str, Any] = {"message": "VS-1-long", "people": ["ana@vintstreet.com"]}
PHONE: dict[str, Any] = {"message": "VS-1/long", "people": [ANA]}
PAGE: dict[str, Any] = {"incident": "VS-1"}
PUBLIC: dict[str, Any] = PAGE | {"message": "We are investigating."}
"""What the public reads is never cut: a message that is too long is refused (test_actions_status_page)."""
SENT: dict[str, dict[str, Any]] = {
    "calendar.invite": MAIL | {"start": "2026-11-30T14:00:00Z"},
    "email.send": MAIL,
    "email.customers": MAIL | {"message": "VS-1-customers"},
    "pagerduty.page": PAGE,
    "pagerduty.page_people": {"incident": "VS-2", "people": ["PBEN123"]},
    "slack.meeting": {"message": "VS-1-review", "start": "2026-11-30T14:00:00Z"},
    "slack.post": {"message": "VS-1"},
    "status_page.open": PUBLIC | {"service": "storefront"},
    "status_page.update": PUBLIC | {"status": "identified"},
    "status_page.resolve": PUBLIC,
    "teams.post": {"message": "VS-1"},
    "twilio.call": PHONE,
    "twilio.text": PHONE,
}
ELSEWHERE = {
    "github.issue": "test_actions_github_issues",
    "jira.create": "test_actions_jira",
    "pagerduty.add_responders": "it has no limit",
    "status_page.post_mortem": "a person wrote it, and must shorten it: test_actions_status_page_post_mortem",
}


def test_every_action_with_a_text_is_named_here() -> None:
    """A new one is added to `SENT`, or to `ELSEWHERE` with the reason."""
    assert {name for name, kind in Registry.installed().actions.items() if kind.text_params} == {*SENT, *ELSEWHERE}


def longest(kind: type[AnyAction], raw: dict[str, Any]) -> dict[str, Any]:
    """Return the parameters with each text far too long that `raw` does not give."""
    return dict.fromkeys(kind.text_params, LONG) | raw


def is_cut(text: str) -> bool:
    """Return whether a text was shortened, and says so."""
    return len(text) < len(LONG) and CUT in text


async def test_a_text_that_is_too_long_is_shortened_and_sent() -> None:
    """Each vendor takes it, and people see that something is missing."""
    spec = TwilioSpec.model_validate({"phones": []})
    kinds = Registry.installed().actions
    async with production(quick(twilio=spec)) as (sim, context):
        context.options["email"] = {"from_address": SENDER}
        context.options["twilio"] = {"account": spec.account, "number": spec.number}
        context.record, context.links = FakeRecord(), Links()
        for name, raw in SENT.items():
            action = kinds[name](context)
            params, change = await worked_out(
                action, **read_params(kinds[name], longest(kinds[name], raw)).model_dump()
            )
            receipt = await action.apply(params, change, "VS-1/notice/1")
            after = action.state_after(change, await action.observe_result(params), receipt)
            assert action.verify(change, after, receipt).verdict is not Verdict.FAILURE, name
        assert [is_cut(str(mail.message["Subject"])) for mail in sim.world.mails] == [True, True, True]
        assert all(len(str(mail.message["Subject"])) == 300 for mail in sim.world.mails)
        assert [is_cut(text.body) for text in sim.world.twilio.texts] == [True]
        [incident] = sim.world.status_board.incidents
        assert is_cut(incident["name"])
        assert len(sim.world.teams.cards) == 1
        assert sim.world.teams.failures == []
