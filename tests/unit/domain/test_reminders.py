"""Who is reminded of what: pages, approvals, targets, duties, updates, what is left in place, manual actions."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from allclear.domain.action import ActStatus
from allclear.domain.approval import ONE_PERSON, Ask, AskKind, command_of
from allclear.domain.plan import Plan
from allclear.domain.pseudo_phases import LIVE_MESSAGE
from allclear.domain.records import (
    Acknowledged,
    ActFinished,
    ActProposed,
    AlertJoined,
    AskAnswered,
    AskOpened,
    AudienceTold,
    By,
    Contained,
    FollowUpDone,
    LedgerHandedOver,
    NoteAdded,
    ReminderDue,
)
from allclear.domain.reminder import Reminder
from allclear.domain.reminders import reminders
from tests.unit.domain.deadlines_support import changed, opened, plan_with, target
from tests.unit.domain.stories import ANA, HEALTH, START, Story


def of_kind(company_plan: Plan, story: Story, kind: str) -> list[Reminder]:
    """Return the reminders still to come of one kind of topic."""
    return [
        reminder for reminder in reminders(company_plan, story.incident) if reminder.topic.partition(":")[0] == kind
    ]


def minutes(found: list[Reminder]) -> list[float]:
    """Return how many minutes after the start each is due."""
    return [(reminder.due - START) / timedelta(minutes=1) for reminder in found]


def given(story: Story, reminder: Reminder) -> Story:
    """Record that a reminder was given."""
    return story.record(
        ReminderDue(
            topic=reminder.topic,
            level=reminder.level,
            sentence=reminder.sentence,
            roles=list(reminder.roles),
            people=list(reminder.people),
            urgent=reminder.urgent,
        )
    )


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


# --- updates -------------------------------------------------------------------------------------------


def test_a_status_update_is_due_at_every_interval() -> None:
    """Every half hour, and every hour from the second hour on, counted from the last update or the last reminder."""
    company_plan = plan_with(
        updates=[{"audience": "status_page", "every": "30m"}, {"audience": "status_page", "every": "1h", "after": "2h"}]
    )
    story = opened("P0")
    assert minutes(of_kind(company_plan, story, "update")) == [30]
    story.after(20).record(*_updated("status_page.update"))
    (second,) = of_kind(company_plan, story, "update")
    assert minutes([second]) == [50]
    story = given(story.after(100), second)
    assert minutes(of_kind(company_plan, story, "update")) == [180]
    assert of_kind(
        company_plan, story.record(Contained(by="x", finding=HEALTH)), "update"
    )  # updates go on until it has recovered


def test_a_reminder_says_when_the_audience_was_really_told() -> None:
    """A reminder, or an update that did not arrive, told no one. A person who records it counts."""
    company_plan = plan_with(updates=[{"audience": "FedRAMP office", "every": "30m"}])
    story = opened("P0")
    (first,) = of_kind(company_plan, story, "update")
    assert "there was none yet" in first.sentence
    assert "allclear told VS-12 'FedRAMP office'" in first.sentence
    (second,) = of_kind(company_plan, given(story.after(30), first), "update")
    assert (minutes([second]), "there was none yet" in second.sentence) == ([60], True)
    story.after(10).record(AudienceTold(audience="FedRAMP office", text="by phone"), by=ANA)
    (third,) = of_kind(company_plan, story, "update")
    assert (minutes([third]), "the last one was at 2026-11-22 15:10 UTC" in third.sentence) == ([70], True)


def test_an_update_that_was_not_verified_told_no_one() -> None:
    """Whether it was published is not known, so the reminder does not say that it was."""
    company_plan = plan_with(updates=[{"audience": "status_page", "every": "30m"}])
    sent, finished = _updated("status_page.update")
    unclear = finished.outcome.model_copy(update={"status": ActStatus.INDETERMINATE})
    story = opened("P0").after(5).record(sent, finished.model_copy(update={"outcome": unclear}))
    assert minutes(of_kind(company_plan, story, "update")) == [30]


def test_a_message_that_could_not_be_updated_is_reported_once() -> None:
    """After two failures in a row people learn that it shows an old state, and why; a success in between resets it."""
    story = opened("P0")
    _live(story, "1", good=True)
    _live(story, "2", good=False)
    assert of_kind(plan_with(), story, "stale-message") == []
    _live(story.after(1), "3", good=False)
    (report,) = of_kind(plan_with(), story, "stale-message")
    assert "has shown an old state since 14:30 UTC" in report.sentence
    assert "msg_too_long" in report.sentence
    assert report.sentence.endswith("allclear show VS-12")
    _live(given(story, report), "4", good=False)
    assert of_kind(plan_with(), story, "stale-message") == []
    _live(story, "5", good=True)
    _live(story, "6", good=False)
    _live(story, "7", good=False)
    assert len(of_kind(plan_with(), story, "stale-message")) == 1


def _live(story: Story, act: str, *, good: bool) -> None:
    """Record an update of a live message."""
    proposed = ActProposed(
        act=act, phase=LIVE_MESSAGE, step="detect-alert", action="slack.post", title="Update", params={}, change=None
    )
    outcome = {"status": "verified" if good else "failed", "changed": good, "sentence": "msg_too_long."}
    story.record(proposed, ActFinished.model_validate({"act": act, "outcome": outcome}))


def _updated(action: str) -> list[Any]:
    proposed = ActProposed(
        act="contain/publish", phase="contain", step="publish", action=action, title="Publish", params={}, change=None
    )
    outcome = {"status": "verified", "changed": True, "sentence": "It is published."}
    return [proposed, ActFinished.model_validate({"act": "contain/publish", "outcome": outcome})]


def test_alerts_that_join_are_reported_together() -> None:
    """The first is reported at once, those of the next five minutes together; an alert without news is not."""
    story = Story().opened()
    assert of_kind(plan_with(), story, "news") == []
    (first,) = of_kind(plan_with(), story.after(1).record(_joins("1", "a new alert")), "news")
    assert minutes([first]) == [1]
    story = given(story, first)
    for key in ("2", "3"):
        story.after(1).record(_joins(key, "a new alert"), _joins(key, ""))
    (second,) = of_kind(plan_with(), story, "news")
    assert minutes([second]) == [6]
    assert second.sentence == "2 alerts since 14:32 UTC (a new alert). For details: allclear show VS-12 --why"


def _joins(key: str, news: str) -> AlertJoined:
    return AlertJoined(delivery=key, source="sentry", key=key, state="firing", title="More", news=news)


# --- what is left ----------------------------------------------------------------------------------------


def test_people_are_reminded_daily_of_what_is_in_place() -> None:
    """The owner is reminded from the expiry on; after a hand-over, the new owner at the date that was agreed."""
    story = Story().opened().roll_back_proposed().answered("contain/roll-back", "yes")
    story.done("contain/roll-back", "done")
    (first,) = of_kind(plan_with(), story, "left")
    assert (first.due, first.roles) == (START + timedelta(days=1), ("tech_lead",))
    (again,) = of_kind(plan_with(), given(story.after(25 * 60), first), "left")
    assert again.due - story.now == timedelta(days=1)
    due = datetime(2026, 12, 1, tzinfo=UTC)
    (handed_over,) = of_kind(
        plan_with(), story.record(LedgerHandedOver(act="contain/roll-back", to="Ana", due=due)), "left"
    )
    assert handed_over.due == due
    assert "Ana has taken it over" in handed_over.sentence


@pytest.mark.parametrize(
    ("proposer", "who"),
    [
        (ANA, "Ana"),
        (By(actor="night-watch", role="program", via="api"), "night-watch, approved by Ana"),
        (By(actor="Ben", role="on_call", via="cli"), "Ben, approved by Ana"),
    ],
)
def test_a_manual_action_names_the_person_who_approved_it(proposer: By, who: str) -> None:
    """A program decides nothing, so that the lead must know which person did."""
    flag = ActProposed(
        act="manual/flag",
        phase="manual",
        step="flag",
        action="flags.disable",
        title="Flag off",
        params={},
        change=None,
    )
    ask = Ask(
        id="VS-12/manual/flag",
        kind=AskKind.APPROVAL,
        phase="manual",
        step="flag",
        title="Flag off?",
        text="?",
        yes="It is off.",
        no="It stays on.",
        policy=ONE_PERSON,
        act="manual/flag",
        digest="d",
    )
    story = Story().opened().record(flag, AskOpened(ask=ask), by=proposer)
    story.record(AskAnswered(ask=ask.id, yes=True, reason="so"), by=ANA)
    outcome = {"status": "verified", "changed": True, "sentence": "It is off."}
    story.after(1).record(ActFinished.model_validate({"act": "manual/flag", "outcome": outcome}))
    (reminder,) = of_kind(plan_with(), story, "manual")
    assert reminder.sentence == f"MANUAL action outside the runbook by {who}: Flag off."


def test_a_manual_action_is_reported_at_once() -> None:
    """The lead is informed of an action outside the runbook as soon as it is done."""
    story = (
        Story()
        .opened()
        .record(
            ActProposed(
                act="manual/flag",
                phase="manual",
                step="flag",
                action="flags.disable",
                title="Flag off",
                params={},
                change=None,
            ),
            by=ANA,
        )
    )
    assert of_kind(plan_with(), story, "manual") == []
    outcome = {"status": "verified", "changed": True, "sentence": "It is off."}
    story.after(1).record(ActFinished.model_validate({"act": "manual/flag", "outcome": outcome}))
    (reminder,) = of_kind(plan_with(), story, "manual")
    assert reminder.sentence == "MANUAL action outside the runbook by Ana: Flag off."
    assert reminder.due == story.now
    assert of_kind(plan_with(), given(story, reminder), "manual") == []


def test_the_report_of_a_manual_action_says_that_it_failed() -> None:
    """Else the lead reads a failed switch as one that was made."""
    act = {"act": "manual/flag", "phase": "manual", "step": "flag", "action": "flags.disable", "title": "Flag off"}
    story = Story().opened().record(ActProposed.model_validate(act | {"params": {}, "change": None}), by=ANA)
    outcome = {"status": "unverified", "changed": True, "sentence": "The flag is still on."}
    story.after(1).record(ActFinished.model_validate({"act": "manual/flag", "outcome": outcome}))
    (reminder,) = of_kind(plan_with(), story, "manual")
    said = "MANUAL action outside the runbook by Ana: Flag off. It is not proven: The flag is still on."
    assert reminder.sentence == said


def test_an_incident_for_a_manual_action_alone_has_no_reminders() -> None:
    """It asks for no response, so it has no targets, no updates and no escalation."""
    company_plan = plan_with(
        p1={"targets": [target("respond", "30m")], "escalates": {"to": "P0", "after": "2h"}},
        updates=[{"audience": "status_page", "every": "30m"}],
    )
    assert reminders(company_plan, opened("P1", manual=True).incident) == []


def test_a_follow_up_is_reminded_until_it_is_done() -> None:
    """A day before its date and when it is overdue, also after the incident's end; the sentence names the command."""
    story = Story().whole()
    soon, late = of_kind(plan_with(), story, "follow-up")
    assert soon.due == datetime(2026, 11, 30, tzinfo=UTC)
    assert late.due == datetime(2026, 12, 1, tzinfo=UTC)
    assert (soon.topic, soon.level, late.level) == ("follow-up:1", 1, 2)
    assert late.sentence == (
        "Follow-up overdue since 2026-12-01 00:00 UTC: Refuse to start without a key (Ana). "
        "When it is done: allclear follow-up-done VS-12 1 --as NAME"
    )
    assert of_kind(plan_with(), given(story, late), "follow-up") == []
    assert of_kind(plan_with(), Story().whole().record(FollowUpDone(number=1), by=ANA), "follow-up") == []


def test_after_the_end_only_the_post_mortem_is_due() -> None:
    """An incident that has ended, or a page that was acknowledged, does not escalate."""
    story = Story().whole()
    left = {reminder.topic.partition(":")[0] for reminder in reminders(plan_with(), story.incident)}
    assert left == {"post-mortem", "follow-up"}
    acknowledged = Story().opened().paged_only().record(Acknowledged(), by=By(actor="Zoe", role="cto", via="cli"))
    assert of_kind(plan_with(), acknowledged, "acknowledge") == []
