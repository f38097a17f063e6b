"""Who hears what when a time is over: pages, approvals, targets, duties, updates, what is left or was done by hand."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from allclear.domain.approval import ONE_PERSON, Ask, AskKind
from allclear.domain.plan import Plan
from allclear.domain.records import (
    Acknowledged,
    ActFinished,
    ActProposed,
    AlertJoined,
    AskOpened,
    By,
    Contained,
    LedgerHandedOver,
    NoteAdded,
    ReminderDue,
)
from allclear.domain.reminders import Reminder, reminders
from tests.unit.domain.stories import ANA, HEALTH, START, Story
from tests.unit.domain.test_deadlines import changed, made, opened, target


def of(it: Plan, story: Story, kind: str) -> list[Reminder]:
    """Return what is still to be said of one kind of topic."""
    return [one for one in reminders(it, story.incident) if one.topic.partition(":")[0] == kind]


def minutes(found: list[Reminder]) -> list[float]:
    """Return how long after the start each is due."""
    return [(one.due - START) / timedelta(minutes=1) for one in found]


def said(story: Story, one: Reminder) -> Story:
    """Record that it was said."""
    return story.record(ReminderDue(topic=one.topic, level=one.level, sentence=one.sentence, roles=list(one.roles)))


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


def test_a_page_that_nobody_takes_climbs() -> None:
    """Without a rota it climbs as unanswered approvals do, waking whoever is next."""
    found = of(made(), Story().opened().paged_only(), "acknowledge")
    assert minutes(found) == [3, 6, 10]
    assert [one.roles for one in found[:2]] == [("tech_lead",), ("cto",)]
    assert set(found[2].roles) == {"on_call", "incident_commander", "tech_lead", "cto"}
    assert all(one.urgent for one in found)


def test_a_page_goes_through_the_layers_of_the_rota_first() -> None:
    """Whoever has not acknowledged is passed over for the next; behind the last one it climbs."""
    found = of(made(**ROTA), Story().opened().paged_only(), "acknowledge")
    assert minutes(found) == [4, 13, 15]
    assert found[0].sentence == "Ana has not acknowledged the page within 4 minutes: Ben is paged next."
    assert found[1].sentence == "No one has acknowledged the page within 13 minutes."


def test_a_word_of_a_person_ends_the_climb() -> None:
    """Whoever speaks has heard the page; where nobody was paged nobody is woken."""
    assert of(made(), Story().opened().paged_only().record(NoteAdded(text="on it"), by=ANA), "acknowledge") == []
    assert of(made(), Story().opened(), "acknowledge") == []


# --- approvals -----------------------------------------------------------------------------------------


def test_an_unanswered_approval_climbs_and_names_the_command() -> None:
    """It wakes people where they were paged and the harm goes on; an answer ends it."""
    story = Story().opened().roll_back_proposed()
    found = of(made(), story, "answer")
    assert minutes(found) == [3, 6, 10]
    assert "allclear approve VS-12/contain/roll-back --as NAME" in found[0].sentence
    assert not any(one.urgent for one in found)
    paged = Story().opened().paged_only().roll_back_proposed()
    assert of(made(), paged, "answer") == []  # the page itself climbs, to the same people
    assert all(one.urgent for one in of(made(), paged.record(Acknowledged(), by=ANA), "answer"))
    assert of(made(), story.answered("contain/roll-back", "yes"), "answer") == []


@pytest.mark.parametrize(
    ("kind", "urgent"), [(AskKind.FALSE_ALARM, False), (AskKind.RETRY, True), (AskKind.CHOICE, True)]
)
def test_every_open_question_climbs(kind: AskKind, *, urgent: bool) -> None:
    """A false alarm that is only proposed ends nothing, so people hear of it; it alone wakes nobody."""
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
    unpaged = of(made(), Story().opened().record(AskOpened(ask=ask)), "answer")
    assert minutes(unpaged) == [3, 6, 10]
    assert not any(one.urgent for one in unpaged)
    assert "allclear approve VS-12/detect/look" in unpaged[0].sentence
    assert ("allclear deny VS-12/detect/look" in unpaged[0].sentence) == (kind is AskKind.FALSE_ALARM)
    paged = Story().opened().paged_only().record(Acknowledged(), by=ANA).record(AskOpened(ask=ask))
    assert {one.urgent for one in of(made(), paged, "answer")} == {urgent}


def test_what_a_person_is_doing_does_not_climb() -> None:
    """To tell a customer or a regulator takes longer than a yes."""
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
    assert of(made(), Story().opened().record(AskOpened(ask=ask)), "answer") == []


def test_what_was_said_is_not_said_again() -> None:
    """A rung that was given, and every one below it, is over."""
    story = Story().opened().roll_back_proposed()
    second = of(made(), story, "answer")[1]
    assert [one.level for one in of(made(), said(story.after(7), second), "answer")] == [3]


# --- targets, escalation, duties -------------------------------------------------------------------------


def test_a_missed_target_is_said_once() -> None:
    """At the moment at which it is missed; a target that was met is never spoken of."""
    it = made(p1={"targets": [target("respond", "30m"), target("contain", "1h", until="contained")]})
    story = opened("P1")
    found = of(it, story, "target")
    assert minutes(found) == [30, 60]
    over = 'Missed the target "contain" (P1), due 2026-11-22 15:30 UTC, 1 hour after the alert'
    assert found[1].sentence == f"{over}: it is not contained yet."
    story = said(story.after(31), found[0])
    assert [one.topic for one in of(it, story, "target")] == ["target:P1:contain"]
    assert of(it, story.record(Contained(by="x", finding=HEALTH)), "target") == []


def test_each_severity_has_its_whole_time_before_it_grows() -> None:
    """P2 becomes P1 after 8 h, and that P1 a P0 two hours later, not at once; what is contained wakes nobody."""
    it = made(p2={"escalates": {"to": "P1", "after": "8h"}}, p1={"escalates": {"to": "P0", "after": "2h"}})
    story = opened("P2")
    (first,) = of(it, story, "escalation")
    assert (first.becomes, minutes([first])) == ("P1", [480])
    (second,) = of(it, changed(said(story.after(480), first), "P1"), "escalation")
    assert (second.becomes, minutes([second])) == ("P0", [600])
    assert of(it, story.record(Contained(by="x", finding=HEALTH)), "escalation") == []


def test_an_escalation_that_was_held_comes_again() -> None:
    """A service that looked well is looked at again ten minutes later."""
    it = made(p1={"escalates": {"to": "P0", "after": "2h"}})
    story = opened("P1")
    (first,) = of(it, story, "escalation")
    (again,) = of(it, said(story.after(121), first), "escalation")
    assert (again.level, minutes([again])) == (2, [131])


def test_a_duty_is_said_before_it_is_late_and_when_it_is() -> None:
    """With a quarter of the 72 hours left, and at their end; to whoever has to do it."""
    duty = {"name": "regulator", "title": "Tell the regulator", "ask": "Tell them.", "role": "cto", "within": "72h"}
    it = made(duties=[duty])
    assert of(it, opened("P0"), "duty") == []  # nobody knows of it yet
    found = of(it, opened("P0", by=ANA), "duty")
    assert minutes(found) == [54 * 60, 72 * 60]
    assert [one.roles for one in found] == [("cto",)] * 2


# --- updates -------------------------------------------------------------------------------------------


def test_an_update_is_due_again_and_again() -> None:
    """Every half hour, and each hour from the second hour on; from the last word on the page, or the last reminder."""
    it = made(
        updates=[{"audience": "status_page", "every": "30m"}, {"audience": "status_page", "every": "1h", "after": "2h"}]
    )
    story = opened("P0")
    assert minutes(of(it, story, "update")) == [30]
    story.after(20).record(*_told("status_page.update"))
    (second,) = of(it, story, "update")
    assert minutes([second]) == [50]
    story = said(story.after(100), second)
    assert minutes(of(it, story, "update")) == [180]
    assert of(it, story.record(Contained(by="x", finding=HEALTH)), "update")  # it is still told while it is watched


def _told(action: str) -> list[Any]:
    proposed = ActProposed(
        act="contain/tell", phase="contain", step="tell", action=action, title="Tell", params={}, change=None
    )
    outcome = {"status": "verified", "changed": True, "sentence": "It stands there."}
    return [proposed, ActFinished.model_validate({"act": "contain/tell", "outcome": outcome})]


def test_alerts_that_join_are_told_together() -> None:
    """The first at once, whatever comes in the next five minutes in one word; what is no news is not told."""
    story = Story().opened()
    assert of(made(), story, "news") == []
    (first,) = of(made(), story.after(1).record(_joins("1", "a new alert")), "news")
    assert minutes([first]) == [1]
    story = said(story, first)
    for key in ("2", "3"):
        story.after(1).record(_joins(key, "a new alert"), _joins(key, ""))
    (second,) = of(made(), story, "news")
    assert minutes([second]) == [6]
    assert second.sentence == "2 alerts since 14:32 (a new alert). For details: allclear show VS-12 --why"


def _joins(key: str, news: str) -> AlertJoined:
    return AlertJoined(delivery=key, source="sentry", key=key, state="firing", title="More", news=news)


# --- what is left ----------------------------------------------------------------------------------------


def test_what_is_in_place_is_spoken_of_each_day() -> None:
    """From its expiry on, to its owner; whoever takes it over is reminded at the date that was agreed."""
    story = Story().opened().roll_back_proposed().answered("contain/roll-back", "yes")
    story.done("contain/roll-back", "done")
    (first,) = of(made(), story, "left")
    assert (first.due, first.roles) == (START + timedelta(days=1), ("tech_lead",))
    (again,) = of(made(), said(story.after(25 * 60), first), "left")
    assert again.due - story.now == timedelta(days=1)
    due = datetime(2026, 12, 1, tzinfo=UTC)
    (handed_over,) = of(made(), story.record(LedgerHandedOver(act="contain/roll-back", to="Ana", due=due)), "left")
    assert handed_over.due == due
    assert "Ana has taken it over" in handed_over.sentence


def test_an_act_by_hand_is_told_at_once() -> None:
    """Whoever leads hears what somebody did beside the runbook, as soon as it is done."""
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
    assert of(made(), story, "manual") == []
    outcome = {"status": "verified", "changed": True, "sentence": "It is off."}
    story.after(1).record(ActFinished.model_validate({"act": "manual/flag", "outcome": outcome}))
    (one,) = of(made(), story, "manual")
    assert one.sentence == "MANUAL action outside the runbook by Ana: Flag off."
    assert one.due == story.now
    assert of(made(), said(story, one), "manual") == []


def test_an_incident_that_nobody_asked_to_respond_to_promises_nothing() -> None:
    """One that was opened for an act by hand has no targets, no updates and no escalation."""
    it = made(
        p1={"targets": [target("respond", "30m")], "escalates": {"to": "P0", "after": "2h"}},
        updates=[{"audience": "status_page", "every": "30m"}],
    )
    assert reminders(it, opened("P1", manual=True).incident) == []


def test_nothing_is_said_of_what_is_over() -> None:
    """An incident that has ended climbs no more; its post-mortem is still due."""
    story = Story().whole()
    assert {one.topic.partition(":")[0] for one in reminders(made(), story.incident)} == {"post-mortem"}
    acknowledged = Story().opened().paged_only().record(Acknowledged(), by=By(actor="Zoe", role="cto", via="cli"))
    assert of(made(), acknowledged, "acknowledge") == []
