"""Who is reminded of updates, of what is left in place, of manual actions, and of what follows an incident."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from allclear.domain.action import ActStatus
from allclear.domain.approval import ONE_PERSON, Ask, AskKind
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
    PhaseLeft,
)
from allclear.domain.reminders.due_reminders import reminders
from tests.unit.domain.reminders.deadlines_support import RECOVERED, opened, plan_with, target
from tests.unit.domain.reminders.reminders_support import given, minutes, of_kind
from tests.unit.domain.stories import ANA, HEALTH, START, Story

# --- updates -------------------------------------------------------------------------------------------


def test_a_status_update_is_due_at_every_interval() -> None:
    """Every half hour, from the second hour on every hour; after an update, people are reminded before the next one."""
    company_plan = plan_with(
        updates=[{"audience": "status_page", "every": "30m"}, {"audience": "status_page", "every": "1h", "after": "2h"}]
    )
    story = opened("P0")
    assert minutes(of_kind(company_plan, story, "update")) == [30]
    story.after(20).record(*_updated("status_page.update"))
    (second,) = of_kind(company_plan, story, "update")
    assert minutes([second]) == [42.5]
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
    assert (minutes([third]), "the last one was at 2026-11-22 15:10 UTC" in third.sentence) == ([62.5], True)


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


def test_an_overdue_review_is_reminded_of_once_a_day_until_it_is_finished() -> None:
    """Before it is due, when it is due, and then each day after the last reminder."""
    company_plan = plan_with(post_mortem={"template": "t.md", "title": "Review", "due": [{"within": "48h"}]})
    story = opened("P1").after(30).record(RECOVERED)
    soon, overdue = of_kind(company_plan, story, "post-mortem")
    story = given(given(story.after(3000), soon), overdue)
    (again,) = of_kind(company_plan, story, "post-mortem")
    assert (again.level, again.due) == (3, story.now + timedelta(days=1))
    assert again.sentence == (
        "Still overdue, since 2026-11-24 15:00 UTC: Review: document. Finish it: allclear show VS-12"
    )
    (next_one,) = of_kind(company_plan, given(story.after(1440), again), "post-mortem")
    assert (next_one.level, next_one.due) == (4, story.now + timedelta(days=1))
    assert of_kind(company_plan, story.record(PhaseLeft(phase="review")), "post-mortem") == []


def test_after_the_end_only_the_post_mortem_is_due() -> None:
    """An incident that has ended, or a page that was acknowledged, does not escalate."""
    story = Story().whole()
    left = {reminder.topic.partition(":")[0] for reminder in reminders(plan_with(), story.incident)}
    assert left == {"post-mortem", "follow-up"}
    acknowledged = Story().opened().paged_only().record(Acknowledged(), by=By(actor="Zoe", role="cto", via="cli"))
    assert of_kind(plan_with(), acknowledged, "acknowledge") == []
