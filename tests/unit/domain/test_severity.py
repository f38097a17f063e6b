"""Which severity the plan's rules give, also while much is not known, and what a plan's scale must hold to."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from allclear.domain.approval import ApprovalPolicy
from allclear.domain.plan import (
    Duty,
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
        # What speaks against it decides, whatever else is not known, in whichever order it stands.
        ({"users": "all", "money": "yes"}, {"money": "no"}, False),
        ({"money": "yes", "users": "all"}, {"money": "no"}, False),
        ({"users": "all", "money": "yes"}, {"money": "yes"}, None),
        # A line may be for what is not known yet.
        ({"users": "unknown"}, {}, True),
        ({"users": ["few", "unknown"]}, {"users": "unknown"}, True),
        ({"users": "unknown"}, {"users": "all"}, False),
    ],
)
def test_a_condition_holds_does_not_or_hangs(wanted: Any, facets: dict[str, str], answer: bool | None) -> None:  # noqa: ANN401, FBT001 - as in YAML
    """True, False, or None as long as it hangs on what nobody knows."""
    assert holds(wanted, facets) is answer


@pytest.mark.parametrize(
    ("facets", "severity", "unknown"),
    [
        (CALM, "P2", []),
        (CALM | {"users": "many"}, "P1", []),
        (CALM | {"users": "all"}, "P1", []),
        (CALM | {"users": "all", "money": "yes"}, "P0", []),
        (CALM | {"breach": "yes"}, "P0", []),
        # What nobody knows is taken for the graver.
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
    """And it says what it hangs on."""
    found = assess(RULES, facets)
    assert found is not None
    assert (found.severity, found.unknown) == (severity, unknown)


def test_the_reason_tells_what_is_known_and_what_is_not() -> None:
    """A person can judge it without reading the plan."""
    hanging, last = assess(RULES, {"breach": "no", "money": "yes"}), assess(RULES, CALM)
    assert hanging is not None
    assert last is not None
    assert hanging.because == "money is yes and users is not known yet"
    assert last.because == "no graver rule matches"


def test_no_rule_no_severity() -> None:
    """A plan without a rule that fits gives none."""
    assert assess([], {}) is None
    assert assess(RULES[:1], {"breach": "no"}) is None


def test_what_is_not_known_is_listed() -> None:
    """A facet that was said to be unknown is as unknown as one that nobody spoke of."""
    assert not_known({"users": "all", "money": "yes", "breach": "yes"}, {"money": "unknown", "breach": "no"}) == [
        "users",
        "money",
    ]


@pytest.mark.parametrize("values", [["yes"], ["yes", "yes"], ["yes", "unknown"], ["Yes", "no"]])
def test_a_facet_has_at_least_two_values_each_once(values: list[str]) -> None:
    """And `unknown` is always one without being listed."""
    with pytest.raises(ValidationError):
        Facet(title="Users", values=values)


def test_a_target_stands_once_in_a_severity() -> None:
    """Else nobody could say by when."""
    respond = Target(name="respond", within=Span.parse("5m"))
    with pytest.raises(ValidationError, match="twice"):
        Severity(name="P0", title="Critical", definition="All down", targets=[respond, respond])


def test_a_severity_that_only_makes_a_ticket_contains_nothing() -> None:
    """Without saying so; and saying the contrary is an error."""
    ticket = {"name": "P3", "title": "Low", "definition": "Typos", "ticket_only": True}
    assert not Severity.model_validate(ticket).contains
    assert not Severity.model_validate(ticket | {"contain": False}).contains
    with pytest.raises(ValidationError, match="cannot `contain`"):
        Severity.model_validate(ticket | {"contain": True})


# --- the plan --------------------------------------------------------------------------------------------


def _told(**more: Any) -> dict[str, Any]:  # noqa: ANN401 - parts of a plan
    return plan().model_dump(mode="json", by_alias=True) | more


@pytest.mark.parametrize("span", ["100 business hours", "700 business days"])
def test_a_time_that_never_comes_is_found_when_the_plan_is_read(span: str) -> None:
    """And not in the night, by whoever is sent a message: a minute's work a week gives a hundred hours never."""
    calendar = WorkingTime(days=["mon"], hours="09:00-09:01")
    duty = Duty(name="tell", title="Tell", ask="Tell.", role="cto", within=Span.parse(span))
    with pytest.raises(ValidationError, match=f"`{span}` never ends"):
        Plan.model_validate(_told(working_time=calendar, duties=[duty]))


def test_a_deputy_speaks_for_whom_it_stands_in() -> None:
    """For that role, not for another, and not the other way round."""
    roles = plan().roles
    roles["cto"] = roles["cto"].model_copy(update={"deputies": ["tech_lead"]})
    it = plan().model_copy(update={"roles": roles})
    assert it.stands_in("tech_lead", ["cto"])
    assert it.stands_in("cto", ["on_call", "cto"])
    assert not it.stands_in("on_call", ["cto"])
    assert not it.stands_in("cto", ["tech_lead"])
    assert not it.stands_in("", ["cto"])


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
        (TWO.model_copy(update={"in_prefect": True}), TWO, None),  # two people never come from there anyway
        (LEADERS, LEADERS.model_copy(update={"in_prefect": False}), "allows approval in Prefect's UI"),
    ],
)
def test_a_plan_may_tighten_and_not_loosen(
    policy: ApprovalPolicy, default: ApprovalPolicy | None, less: str | None
) -> None:
    """It is told in what it asks for less."""
    assert policy.looser_than(default) == less
