"""Which severity the plan's rules give, also while facets are unknown, and which plans are refused."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from allclear.domain.approval import ApprovalPolicy
from allclear.domain.plan import (
    Duty,
    Evidence,
    Facet,
    Plan,
    Severity,
    SeverityRule,
    Span,
    Target,
    WorkingTime,
    assess,
    holds,
    not_known,
)
from tests.unit.domain.stories import plan

RULES = [
    SeverityRule(severity="P0", when={"breach": "yes"}),
    SeverityRule(severity="P0", when={"users": ["most", "all"], "money": "yes"}),
    SeverityRule(severity="P1", when={"users": ["many", "most", "all"]}),
    SeverityRule(severity="P2"),
]
CALM = {"breach": "no", "money": "no", "users": "few"}


@pytest.mark.parametrize(
    ("wanted", "facets", "answer"),
    [
        ({}, {}, True),
        ({}, {"users": "all"}, True),
        ({"users": "all"}, {"users": "all"}, True),
        ({"users": "all"}, {"users": "few"}, False),
        ({"users": ["most", "all"]}, {"users": "most"}, True),
        ({"users": "all"}, {}, None),
        ({"users": "all"}, {"users": "unknown"}, None),
        # One facet that does not match decides, also while others are unknown, in any order.
        ({"users": "all", "money": "yes"}, {"money": "no"}, False),
        ({"money": "yes", "users": "all"}, {"money": "no"}, False),
        ({"users": "all", "money": "yes"}, {"money": "yes"}, None),
        # A condition may ask for `unknown` itself.
        ({"users": "unknown"}, {}, True),
        ({"users": ["few", "unknown"]}, {"users": "unknown"}, True),
        ({"users": "unknown"}, {"users": "all"}, False),
    ],
)
def test_a_condition_holds_or_not_or_is_undecided(wanted: Any, facets: dict[str, str], answer: bool | None) -> None:  # noqa: ANN401, FBT001 - as in YAML
    """The answer is None as long as it depends on an unknown facet."""
    assert holds(wanted, facets) is answer


@pytest.mark.parametrize(
    ("facets", "severity", "unknown"),
    [
        (CALM, "P2", []),
        (CALM | {"users": "many"}, "P1", []),
        (CALM | {"users": "all"}, "P1", []),
        (CALM | {"users": "all", "money": "yes"}, "P0", []),
        (CALM | {"breach": "yes"}, "P0", []),
        # An unknown facet counts as the graver value.
        ({}, "P0", ["breach"]),
        ({"breach": "no"}, "P0", ["users", "money"]),
        ({"breach": "no", "money": "no"}, "P1", ["users"]),
        ({"breach": "unknown", "money": "no", "users": "few"}, "P0", ["breach"]),
        ({"breach": "no", "users": "few"}, "P2", []),
    ],
)
def test_the_first_rule_that_could_fit_gives_the_severity(
    facets: dict[str, str], severity: str, unknown: list[str]
) -> None:
    """The assessment lists the unknown facets on which it depends."""
    found = assess(RULES, facets)
    assert found is not None
    assert (found.severity, found.unknown) == (severity, unknown)


def test_the_reason_names_known_and_unknown_facets() -> None:
    """A person can judge the severity without reading the plan."""
    undecided, last = assess(RULES, {"breach": "no", "money": "yes"}), assess(RULES, CALM)
    assert undecided is not None
    assert last is not None
    assert undecided.because == "money is yes and users is not known yet"
    assert last.because == "no graver rule matches"


def test_without_a_matching_rule_there_is_no_severity() -> None:
    """Neither an empty list nor rules that do not match give one."""
    assert assess([], {}) is None
    assert assess(RULES[:1], {"breach": "no"}) is None


def test_unknown_facets_are_listed() -> None:
    """A facet with the value `unknown` counts like a missing facet."""
    assert not_known({"users": "all", "money": "yes", "breach": "yes"}, {"money": "unknown", "breach": "no"}) == [
        "users",
        "money",
    ]


@pytest.mark.parametrize("values", [["yes"], ["yes", "yes"], ["yes", "unknown"], ["Yes", "no"]])
def test_a_facet_has_at_least_two_values_each_once(values: list[str]) -> None:
    """`unknown` is always possible and must not be listed."""
    with pytest.raises(ValidationError):
        Facet(title="Users", values=values)


def test_a_target_is_listed_once_in_a_severity() -> None:
    """Two targets with one name could contradict each other."""
    respond = Target(name="respond", within=Span.parse("5m"))
    with pytest.raises(ValidationError, match="twice"):
        Severity(name="P0", title="Critical", definition="All down", targets=[respond, respond])


def test_a_severity_that_only_makes_a_ticket_contains_nothing() -> None:
    """It needs no `contain: false`, and `contain: true` is an error."""
    ticket = {"name": "P3", "title": "Low", "definition": "Typos", "ticket_only": True}
    assert not Severity.model_validate(ticket).contains
    assert not Severity.model_validate(ticket | {"contain": False}).contains
    with pytest.raises(ValidationError, match="cannot `contain`"):
        Severity.model_validate(ticket | {"contain": True})


# --- the plan --------------------------------------------------------------------------------------------


def _as_yaml(**more: Any) -> dict[str, Any]:  # noqa: ANN401 - parts of a plan
    return plan().model_dump(mode="json", by_alias=True) | more


@pytest.mark.parametrize("span", ["100 business hours", "700 business days"])
def test_a_span_that_never_ends_is_found_when_the_plan_is_read(span: str) -> None:
    """With one working minute a week, a hundred business hours never end within ten years."""
    calendar = WorkingTime(days=["mon"], hours="09:00-09:01")
    duty = Duty(name="tell", title="Tell", ask="Tell.", role="cto", within=Span.parse(span))
    with pytest.raises(ValidationError, match=f"`{span}` never ends"):
        Plan.model_validate(_as_yaml(working_time=calendar, duties=[duty]))


@pytest.mark.parametrize("what", ["severity", "duty", "evidence"])
def test_a_name_is_listed_once_in_the_plan(what: str) -> None:
    """The error says what is listed twice."""
    duty = Duty(name="tell", title="Tell", ask="Tell.", role="cto", within=Span.parse("1h"))
    evidence = Evidence(name="logs", title="Logs", ask="Keep them.", role="cto")
    twice: dict[str, dict[str, Any]] = {
        "severity": {"severities": plan().severities * 2},
        "duty": {"duties": [duty, duty]},
        "evidence": {"evidence": [evidence, evidence]},
    }
    with pytest.raises(ValidationError, match=f"the {what} `(P0|tell|logs)` is listed twice"):
        Plan.model_validate(_as_yaml(**twice[what]))


def test_a_deputy_may_act_for_its_role() -> None:
    """It may act for that role, not for another; and the role may not act for its deputy."""
    roles = plan().roles
    roles["cto"] = roles["cto"].model_copy(update={"deputies": ["tech_lead"]})
    company_plan = plan().model_copy(update={"roles": roles})
    assert company_plan.may_act_for("tech_lead", ["cto"])
    assert company_plan.may_act_for("cto", ["on_call", "cto"])
    assert not company_plan.may_act_for("on_call", ["cto"])
    assert not company_plan.may_act_for("cto", ["tech_lead"])
    assert not company_plan.may_act_for("", ["cto"])


# --- approvals -------------------------------------------------------------------------------------------

LEADERS = ApprovalPolicy(roles=["tech_lead", "cto"])
TWO = ApprovalPolicy(roles=["on_call", "cto"], people=2, one_of=["cto"], reason_needed=True, in_prefect=False)


@pytest.mark.parametrize(
    ("policy", "default", "less"),
    [
        (LEADERS, None, None),
        (LEADERS, LEADERS, None),
        (TWO, LEADERS, None),
        (TWO, TWO, None),
        (TWO.model_copy(update={"people": 3}), TWO, None),
        (TWO.model_copy(update={"people": 1}), TWO, "asks for 1 instead of 2 people"),
        (TWO.model_copy(update={"reason_needed": False}), TWO, "asks for no reason"),
        (TWO.model_copy(update={"one_of": []}), TWO, "does not require one of them to be cto"),
        (TWO.model_copy(update={"in_prefect": True}), TWO, None),  # two people can never approve there anyway
        (LEADERS, LEADERS.model_copy(update={"in_prefect": False}), "allows approval in Prefect's UI"),
    ],
)
def test_a_policy_may_be_stricter_and_not_weaker(
    policy: ApprovalPolicy, default: ApprovalPolicy | None, less: str | None
) -> None:
    """The answer names what it asks for less."""
    assert policy.weaker_than(default) == less
