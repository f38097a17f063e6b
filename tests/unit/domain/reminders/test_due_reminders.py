"""Who is reminded of pages, approvals, targets, escalations and duties."""

from __future__ import annotations

from typing import Any

import pytest

from allclear.domain.approval import ONE_PERSON, Ask, AskKind, command_of
from allclear.domain.records import (
    Acknowledged,
    AskOpened,
    By,
    Contained,
    NoteAdded,
)
from tests.unit.domain.reminders.deadlines_support import changed, opened, plan_with, target
from tests.unit.domain.reminders.reminders_support import given, minutes, of_kind
from tests.unit.domain.stories import ANA, HEALTH, Story

# --- pages ---------------------------------------------------------------------------------------------

ROTA: dict[str, Any] = {
    "rotas": [
        {
            "role": "on_call",
            "layers": [
                {"name": "first", "people": ["Ana"], "starts": "2026-11-02T09:00", "acknowledge_within": "4m"},
                {"name": "second", "people": ["Ben"], "starts": "2026-11-02T09:00", "acknowledge_within": "6m"},
            ],
        }
    ],
    "escalation_policies": [{"levels": [{"after": "3m", "roles": ["cto"]}, {"after": "5m", "roles": "everyone"}]}],
}


def test_an_unacknowledged_page_escalates() -> None:
    """Without a rota it follows the levels of the escalation policy, and each level is paged."""
    found = of_kind(plan_with(), Story().opened().paged_only(), "acknowledge")
    assert minutes(found) == [3, 6, 10]
    assert [reminder.roles for reminder in found[:2]] == [("tech_lead",), ("cto",)]
    assert set(found[2].roles) == {"on_call", "incident_commander", "tech_lead", "cto"}
    assert all(reminder.urgent for reminder in found)


def test_a_page_goes_through_the_layers_of_the_rota_first() -> None:
    """If a layer does not acknowledge in time, the next is paged; after the last, the escalation policy follows."""
    found = of_kind(plan_with(**ROTA), Story().opened().paged_only(), "acknowledge")
    assert minutes(found) == [4, 10, 12]
    assert found[0].sentence == "Ana has not acknowledged the page within 4 minutes; Ben is next."
    assert found[0].people == ("Ben",)
    assert found[1].sentence == "No one has acknowledged the page within 10 minutes."


def test_with_one_layer_the_next_role_is_paged_when_the_policy_says() -> None:
    """Ana alone is on call. After the five minutes of the policy the next role is paged, and not after ten."""
    layers = [{"name": "first", "people": ["Ana"], "starts": "2026-11-02T09:00"}]
    policies = [{"levels": [{"after": "5m", "roles": ["tech_lead"]}, {"after": "10m", "roles": "everyone"}]}]
    one = plan_with(rotas=[{"role": "on_call", "layers": layers}], escalation_policies=policies)
    assert minutes(of_kind(one, Story().opened().paged_only(), "acknowledge")) == [5, 10]


@pytest.mark.parametrize(
    ("rota", "record", "by", "answered"),
    [
        (False, Acknowledged(), ANA, True),
        (False, NoteAdded(text="on it"), ANA, False),
        (False, NoteAdded(text="on it"), By(actor="Zoe", role="on_call", via="cli"), True),
        (True, NoteAdded(text="on it"), ANA, True),
        (True, NoteAdded(text="me too"), By(actor="Ben", role="on_call", via="cli"), True),
        (True, NoteAdded(text="me too"), By(actor="Zoe", role="on_call", via="cli"), False),
        (True, Acknowledged(), By(actor="Zoe", role="cto", via="cli"), True),
    ],
)
def test_a_page_climbs_until_a_person_whom_it_wakes_writes_or_someone_takes_it(
    rota: Any,  # noqa: ANN401 - a flag of the case
    record: Any,  # noqa: ANN401 - any record
    by: By,
    answered: Any,  # noqa: ANN401 - a flag of the case
) -> None:
    """Ana and Ben are on duty by the rota. Without one, a person who acts as on-call after the page counts."""
    story = Story().opened().paged_only().record(record, by=by)
    assert (of_kind(plan_with(**(ROTA if rota else {})), story, "acknowledge") == []) is answered


def test_a_role_that_an_escalation_has_paged_answers_the_page() -> None:
    """Before it was paged, a note by the tech lead changes nothing."""
    story = Story().opened().paged_only().record(NoteAdded(text="hm"), by=ANA).after(3)
    (first, *_) = of_kind(plan_with(), story, "acknowledge")
    assert first.roles == ("tech_lead",)
    given(story, first)
    assert of_kind(plan_with(), story, "acknowledge")
    assert of_kind(plan_with(), story.record(NoteAdded(text="on it"), by=ANA), "acknowledge") == []


def test_without_a_page_there_is_nothing_to_acknowledge() -> None:
    """No one was woken, so no one is waited for."""
    assert of_kind(plan_with(), Story().opened(), "acknowledge") == []


# --- approvals -----------------------------------------------------------------------------------------


def test_an_unanswered_approval_escalates_and_names_the_command() -> None:
    """The reminder is urgent if people were paged and the trouble continues; an answer ends it."""
    story = Story().opened().roll_back_proposed()
    found = of_kind(plan_with(), story, "answer")
    assert minutes(found) == [3, 6, 10]
    assert "allclear approve VS-12/contain/roll-back --as NAME" in found[0].sentence
    assert not any(reminder.urgent for reminder in found)
    paged = Story().opened().paged_only().roll_back_proposed()
    assert of_kind(plan_with(), paged, "answer") == []  # the page itself escalates to the same people
    assert all(reminder.urgent for reminder in of_kind(plan_with(), paged.record(Acknowledged(), by=ANA), "answer"))
    assert of_kind(plan_with(), story.answered("contain/roll-back", "yes"), "answer") == []


@pytest.mark.parametrize(
    ("kind", "urgent"), [(AskKind.FALSE_ALARM, False), (AskKind.RETRY, True), (AskKind.CHOICE, True)]
)
def test_every_open_question_escalates(kind: AskKind, *, urgent: bool) -> None:
    """A suggested false alarm escalates too, because it ends nothing by itself; but it is never urgent."""
    ask = Ask(
        id="VS-12/detect/look",
        kind=kind,
        phase="detect",
        step="look",
        title="Which?",
        text="...",
        yes="Yes.",
        no="No.",
        policy=ONE_PERSON,
    )
    unpaged = of_kind(plan_with(), Story().opened().record(AskOpened(ask=ask)), "answer")
    assert minutes(unpaged) == [3, 6, 10]
    assert not any(reminder.urgent for reminder in unpaged)
    yes, no = (f"allclear {command_of(word)} VS-12/detect/look" for word in ask.words)
    assert yes in unpaged[0].sentence
    assert (no in unpaged[0].sentence) == (kind is AskKind.FALSE_ALARM)
    paged = Story().opened().paged_only().record(Acknowledged(), by=ANA).record(AskOpened(ask=ask))
    assert {reminder.urgent for reminder in of_kind(plan_with(), paged, "answer")} == {urgent}


def test_a_persons_step_does_not_escalate() -> None:
    """Doing something takes longer than answering a question; steps have targets of their own."""
    ask = Ask(
        id="VS-12/resolve/fix",
        kind=AskKind.STEP,
        phase="resolve",
        step="fix",
        title="Fix it",
        text="...",
        yes="Done.",
        no="No.",
        policy=ONE_PERSON,
    )
    assert of_kind(plan_with(), Story().opened().record(AskOpened(ask=ask)), "answer") == []


def test_a_level_is_given_once() -> None:
    """After a level was given, neither that level nor a lower one is due again."""
    story = Story().opened().roll_back_proposed()
    second = of_kind(plan_with(), story, "answer")[1]
    assert [reminder.level for reminder in of_kind(plan_with(), given(story.after(7), second), "answer")] == [3]


# --- targets, escalation, duties -------------------------------------------------------------------------


def test_people_are_reminded_of_a_missed_target_once() -> None:
    """The reminder is due when the target is missed; a target that was met needs none."""
    company_plan = plan_with(p1={"targets": [target("respond", "30m"), target("contain", "1h", until="contained")]})
    story = opened("P1")
    found = of_kind(company_plan, story, "target")
    assert minutes(found) == [30, 60]
    over = 'Missed the target "contain" (P1), due 2026-11-22 15:30 UTC, 1 hour after the alert'
    assert found[1].sentence == f"{over}: it is not contained yet."
    story = given(story.after(31), found[0])
    assert [reminder.topic for reminder in of_kind(company_plan, story, "target")] == ["target:P1:contain"]
    assert of_kind(company_plan, story.record(Contained(by="x", finding=HEALTH)), "target") == []


def test_each_severity_has_its_full_time_before_it_is_raised() -> None:
    """P2 becomes P1 after 8 h, and that P1 becomes P0 two hours later, not at once; containment ends it."""
    company_plan = plan_with(
        p2={"escalates": {"to": "P1", "after": "8h"}}, p1={"escalates": {"to": "P0", "after": "2h"}}
    )
    story = opened("P2")
    (first,) = of_kind(company_plan, story, "escalation")
    assert (first.becomes, minutes([first])) == ("P1", [480])
    (second,) = of_kind(company_plan, changed(given(story.after(480), first), "P1"), "escalation")
    assert (second.becomes, minutes([second])) == ("P0", [600])
    assert of_kind(company_plan, story.record(Contained(by="x", finding=HEALTH)), "escalation") == []


def test_a_postponed_escalation_is_due_again() -> None:
    """If the service looked healthy, it is checked again ten minutes later."""
    company_plan = plan_with(p1={"escalates": {"to": "P0", "after": "2h"}})
    story = opened("P1")
    (first,) = of_kind(company_plan, story, "escalation")
    (again,) = of_kind(company_plan, given(story.after(121), first), "escalation")
    assert (again.level, minutes([again])) == (2, [131])


def test_people_are_reminded_of_a_duty_before_and_when_it_is_overdue() -> None:
    """The role that has the duty is reminded when a quarter of the 72 hours is left, and at their end."""
    duty = {"name": "regulator", "title": "Tell the regulator", "ask": "Tell them.", "role": "cto", "within": "72h"}
    company_plan = plan_with(duties=[duty])
    assert of_kind(company_plan, opened("P0"), "duty") == []  # the company is not aware of the incident yet
    found = of_kind(company_plan, opened("P0", by=ANA), "duty")
    assert minutes(found) == [54 * 60, 72 * 60]
    assert [reminder.roles for reminder in found] == [("cto",)] * 2
