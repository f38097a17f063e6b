"""The form that declares an incident in Slack offers only what the plan can decide."""

from __future__ import annotations

from dataclasses import replace

from allclear.domain.plan import SeverityRule
from allclear.responder.slack.forms import BY_RULES, SEVERITY, declare_form
from tests.scenario.response_support import vintstreet


def test_the_severity_is_left_to_the_rules_only_if_the_plan_has_some() -> None:
    """Without a rule, the choice would be refused after everything was typed."""
    company = vintstreet()
    rules = [SeverityRule(severity="P0", when={"customer_facing": "yes"})]
    ruled = replace(company, plan=company.plan.model_copy(update={"assess": rules}))
    for one, offered in ((company, False), (ruled, True)):
        blocks = declare_form(one, "Users cannot pay", {})["blocks"]
        (severity,) = [block["element"] for block in blocks if block["block_id"] == SEVERITY]
        assert (BY_RULES in [option["value"] for option in severity["options"]]) is offered
