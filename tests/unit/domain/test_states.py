"""States that change back: what ends containment, recovery and the acknowledgement, and what depends on them."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from allclear.domain.action import Finding, Verdict
from allclear.domain.plan import Plan, Severity, Span, Target
from allclear.domain.records import (
    Acknowledged,
    ActFinished,
    ActProposed,
    AlertJoined,
    Contained,
    IncidentEnded,
    LedgerNoted,
    NoteAdded,
    Recovered,
    RoleTaken,
    StepDone,
)
from allclear.domain.reminders.deadlines import deadlines, status_word
from allclear.domain.reminders.due_reminders import reminders
from allclear.domain.reminders.reminder import Reminder
from allclear.domain.template_values import status
from allclear.domain.timeline import timeline
from tests.unit.domain.stories import ANA, BEN, HEALTH, START, TROUBLE, Story, plan

UNCLEAR = Finding(verdict=Verdict.INCONCLUSIVE, sentence="18 of 20 requests got the maintenance page.")
MINUTE = timedelta(minutes=1)


def check(finding: Finding, **more: Any) -> StepDone:  # noqa: ANN401 - fields of the record
    """Return a health check's finding."""
    return StepDone(phase="contain", step="check", title="Check", finding=finding, health_check=True, **more)


def alert(state: Any, key: str = "payments") -> AlertJoined:  # noqa: ANN401 - firing or resolved
    """Return an alert of the incident."""
    return AlertJoined(delivery="9", source="alertmanager", key=key, state=state, title="Payments fail", at=None)


def contained() -> Story:
    """Return a paged and acknowledged incident that was contained by a measure which is in place."""
    story = Story().opened().paged().after(1).record(_proposed("contain/close", leaves="maintenance on"))
    story.done("contain/close", "It is as intended.")
    return story.after(1).record(check(HEALTH), Contained(by="Maintenance mode", finding=HEALTH))


def _proposed(act: str, **more: Any) -> ActProposed:  # noqa: ANN401 - fields of the record
    phase, _, step = act.partition("/")
    return ActProposed(
        act=act,
        phase=phase,
        step=step,
        action="maintenance.enable",
        title=step,
        params={},
        change={"summary": step, "after": {}},
        digest="1" * 64,
        resource="flag:maintenance",
        changes_service="undoes" not in more,
        **more,
    )


def undone(story: Story) -> Story:
    """Undo the measure by hand."""
    story.after(5).record(_proposed("manual/undo", undoes="contain/close"), by=ANA)
    return story.done("manual/undo", "It is as intended.")


def test_undoing_the_last_measure_leaves_containment_unproven_until_the_next_check() -> None:
    """It is claimed no longer, and a check is asked for. A good check restores it, with its first moment."""
    story = contained()
    first = story.incident.contained_at
    incident = undone(story).incident
    assert (incident.contained, status(incident)) == (None, "INVESTIGATING")
    assert incident.recheck is not None
    assert incident.containment.current is not None
    incident = story.after(1).record(check(HEALTH, proves="containment", after_entry=incident.length)).incident
    assert (incident.contained_at, incident.recheck, incident.loss) == (first, None, None)


def test_a_measure_that_another_person_moved_asks_for_a_check_like_an_undo() -> None:
    """Traffic that was moved by hand outdates the proof; a deployment that gets no users does not."""
    story = contained()
    news = LedgerNoted(act="contain/close", key="deployed:web-43", text="web-43 gets no users.")
    assert story.after(1).record(news).incident.recheck is None
    moved = LedgerNoted(act="contain/close", key="moved:web-42", text="It is 100 % web-42 now.", moved=True)
    assert story.after(1).record(moved).incident.recheck is not None
    assert story.after(1).record(check(HEALTH)).incident.recheck is None


def test_a_check_that_began_before_the_change_proves_and_disproves_nothing() -> None:
    """It saw the service as it was before."""
    for finding in (HEALTH, TROUBLE):
        story = contained()
        begun = story.incident.length
        incident = undone(story).record(check(finding, after_entry=begun)).incident
        assert incident.contained is None
        assert incident.containment.current is not None
        assert incident.recheck is not None


@pytest.mark.parametrize("again", ["payments", "streams"])
def test_an_alert_that_fires_on_a_contained_incident_asks_for_a_check(again: str) -> None:
    """It ends nothing by itself: a rule over five minutes fires late. A repeat of a firing alert asks for nothing."""
    story = contained().after(1).record(alert("firing"))
    assert story.incident.recheck is None
    story.record(alert("resolved")).after(1).record(alert("firing", again))
    assert story.incident.recheck is not None
    assert story.incident.contained is not None
    assert story.after(1).record(check(HEALTH)).incident.recheck is None


def test_a_bad_check_ends_containment_and_the_acknowledgement() -> None:
    """The history keeps the period and the reason; the next containment is a new period."""
    story = contained()
    began = story.now
    incident = story.after(5).record(check(TROUBLE)).incident
    assert (incident.contained, incident.acknowledged, status(incident)) == (None, None, "INVESTIGATING")
    (period,) = incident.containment.periods
    assert (period.since, period.until, period.reason) == (began, story.now, TROUBLE.sentence)
    assert incident.loss is not None
    assert (incident.acknowledged_by, incident.acknowledged_at) == ("Ana", incident.acknowledgement.first_at)
    incident = story.after(1).record(NoteAdded(text="I see it."), by=BEN).incident
    assert incident.acknowledged is not None
    assert incident.acknowledged.by == "Ben"
    incident = story.after(1).record(check(HEALTH), Contained(by="Rolled back", finding=HEALTH)).incident
    assert incident.contained is not None
    assert (incident.contained.by, incident.contained_at, incident.loss) == ("Rolled back", story.now, None)
    assert len(incident.containment.periods) == 2


def test_a_check_that_cannot_tell_ends_containment_only_if_it_was_made_to_tell() -> None:
    """Otherwise the state is unproven: it is not claimed, and people are not paged for it."""
    incident = contained().record(check(UNCLEAR)).incident
    assert (incident.contained, incident.loss) == (None, None)
    assert incident.containment.current is not None
    assert contained().record(check(UNCLEAR, proves="containment")).incident.loss is not None


def test_a_health_check_says_nothing_about_a_measure_with_a_proof_of_its_own() -> None:
    """In maintenance mode the pages answer 503 on purpose; the check behind them decides."""
    story = Story().opened().paged()
    proof = StepDone(phase="contain", step="close-proof", title="x", finding=HEALTH, proves="containment")
    story.record(proof, Contained(by="Maintenance mode", finding=HEALTH)).record(check(TROUBLE))
    assert story.incident.contained is not None
    bad = proof.model_copy(update={"finding": TROUBLE})
    assert story.record(bad).incident.loss is not None


def test_recovery_ends_like_containment_and_a_change_makes_it_unproven() -> None:
    """Both are lost by a bad check; a change of production needs recovery to be proven anew."""
    story = contained().after(5).record(check(HEALTH), Recovered(finding=HEALTH))
    assert status(story.incident) == "RESOLVED"
    assert status(undone(story).incident) == "INVESTIGATING"
    story.after(1).record(check(HEALTH))
    assert status(story.incident) == "CONTAINED"
    story.record(check(HEALTH), Recovered(finding=HEALTH, checks=3, since=story.now - 2 * MINUTE))
    assert status(story.incident) == "RESOLVED"
    incident = story.after(1).record(check(TROUBLE)).incident
    assert (status(incident), len(incident.recovery.lost), len(incident.containment.lost)) == ("INVESTIGATING", 1, 1)


def test_a_failing_page_does_not_reopen_what_people_contained() -> None:
    """The leak is closed, as a person confirmed. A page of the shop fails: it has not recovered, and is contained."""
    story = Story().opened().paged().after(1).record(Contained(by="Ana confirmed it", finding=HEALTH), by=ANA)
    story.after(5).record(check(HEALTH), Recovered(finding=HEALTH)).after(1).record(check(TROUBLE))
    incident = story.incident
    assert (incident.recovered, incident.recovery.current, incident.loss) == (None, None, None)
    assert incident.contained is not None
    assert incident.acknowledged is not None
    (told,) = _topics(story, "lost")
    assert told.sentence.startswith("VS-12 has not recovered after all: ")
    assert (told.urgent, "It is still contained." in told.sentence) == (False, True)
    assert _topics(story, "acknowledge:") == []
    assert incident.last_change is not None
    assert incident.last_change[0] == incident.length


def test_a_healthy_page_does_not_prove_what_only_people_can_tell() -> None:
    """An alert asks whether it is still contained. A good check of the shop neither answers that nor proves it."""
    story = Story().opened().paged().record(Contained(by="Ana confirmed it", finding=HEALTH), by=ANA)
    story.after(1).record(alert("firing")).record(alert("resolved")).record(alert("firing")).record(check(HEALTH))
    assert story.incident.recheck is not None
    story.record(Contained(by="Ana confirmed it", finding=HEALTH), by=ANA)
    assert story.incident.recheck is None


def test_the_end_of_the_incident_keeps_its_states() -> None:
    """A check or an alert after the end changes nothing."""
    story = contained().record(IncidentEnded(ending="resolved", reason="over"), by=ANA)
    incident = story.after(1).record(check(TROUBLE), alert("firing", "other")).incident
    assert incident.contained is not None
    assert (incident.loss, incident.recheck) == (None, None)


def test_good_checks_in_a_row_begin_anew_after_a_bad_one_a_repeated_one_and_a_change() -> None:
    """Only checks of the present production that were good the first time count together."""
    story = contained().after(1).record(check(HEALTH)).after(1).record(check(HEALTH))
    assert len(story.incident.good_checks) == 3
    repeated = HEALTH.model_copy(update={"facts": {**HEALTH.facts, "checks": 4}})
    assert len(story.after(1).record(check(repeated)).incident.good_checks) == 1
    assert story.record(check(TROUBLE)).incident.good_checks == ()
    assert story.record(check(HEALTH)).incident.good_checks == (story.now,)
    assert undone(story).incident.good_checks == ()


def test_every_role_keeps_its_history() -> None:
    """Who led from when until when is known afterwards."""
    story = Story().opened().record(RoleTaken(role="incident_commander", person="Ana"), by=ANA)
    story.after(10).record(RoleTaken(role="incident_commander", person="Ben", was="Ana"), by=ANA)
    periods = story.incident.holders["incident_commander"].periods
    assert [(period.by, period.since, period.until) for period in periods] == [
        ("Ana", START, story.now),
        ("Ben", story.now, None),
    ]


def test_whoever_declares_an_incident_has_acknowledged_it() -> None:
    """No other entry is needed."""
    story = Story().opened()
    declared = Story().record(story.entries[0].record, by=ANA)
    assert declared.incident.acknowledged_by == "Ana"
    assert (declared.incident.acknowledged_at, declared.incident.aware_at) == (START, START)


# --- what depends on them --------------------------------------------------------------------------------


def _timed() -> Plan:
    targets = [
        Target(name="respond", within=Span(5 * MINUTE), until="acknowledged"),  # pyright: ignore[reportArgumentType]
        Target(name="contain", within=Span(30 * MINUTE), until="contained"),  # pyright: ignore[reportArgumentType]
    ]
    severities = [Severity(name=name, title=name, definition=name, targets=targets) for name in ("P0", "P1")]
    return plan().model_copy(update={"severities": severities})


def _due(story: Story, name: str) -> list[tuple[float, float | None]]:
    """Return when a target is due and was met, in minutes after the alert."""
    return [
        ((one.due - START) / MINUTE, (one.met - START) / MINUTE if one.met else None)
        for one in deadlines(_timed(), story.incident)
        if one.name == name and one.due
    ]


def test_a_clock_goes_on_if_containment_is_lost_before_it_was_due() -> None:
    """Lost after ten minutes, it is still due thirty minutes after the alert."""
    story = Story().opened().after(4).record(check(HEALTH), Contained(by="x", finding=HEALTH))
    assert _due(story, "contain") == [(30, 4)]
    assert _due(story.after(6).record(check(TROUBLE)), "contain") == [(30, None)]
    story.after(25).record(check(HEALTH), Contained(by="y", finding=HEALTH))
    assert _due(story, "contain") == [(30, 35)]


def test_a_clock_starts_again_if_containment_is_lost_after_it_was_due() -> None:
    """The target was met; the new trouble has the same time, and its reminder says since when."""
    story = Story().opened().after(4).record(Acknowledged(), by=ANA).record(check(HEALTH))
    story.record(Contained(by="x", finding=HEALTH)).after(56).record(check(TROUBLE))
    assert _due(story, "contain") == [(30, 4), (90, None)]
    assert _due(story, "respond") == [(5, 4), (65, None)]
    sentences = [one.sentence for one in reminders(_timed(), story.incident) if one.topic.startswith("target:")]
    assert sentences[1].endswith("30 minutes after it was no longer contained: it is not contained yet.")
    story.after(1).record(NoteAdded(text="I see it."), by=BEN)
    assert _due(story, "respond") == [(5, 4), (65, 61)]


def _topics(story: Story, prefix: str) -> list[Reminder]:
    return [one for one in reminders(plan(), story.incident) if one.topic.startswith(prefix)]


def test_people_are_paged_when_a_contained_incident_fails_again() -> None:
    """At once, and then level by level until a person writes an entry."""
    story = contained()
    assert (_topics(story, "lost"), _topics(story, "acknowledge")) == ([], [])
    story.after(5).record(check(TROUBLE))
    (page,) = _topics(story, "lost")
    assert (page.due, page.urgent, page.roles) == (story.now, True, ("incident_commander", "on_call"))
    assert page.sentence.startswith("VS-12 is not contained any more: 20 requests: 12 failed (60 %), p95 84 ms.")
    levels = _topics(story, "acknowledge:")
    assert [(one.due - story.now) / MINUTE for one in levels] == [3, 6, 10]
    story.after(1).record(Acknowledged(), by=BEN)
    assert _topics(story, "acknowledge:") == []


def test_only_what_the_check_ended_is_told() -> None:
    """It was contained once, and was lost; then it recovered, and only the recovery ends."""
    story = contained().after(5).record(check(TROUBLE)).record(check(HEALTH), Recovered(finding=HEALTH))
    story.after(1).record(check(TROUBLE))
    (page,) = _topics(story, "lost")
    assert page.sentence.startswith("VS-12 has not recovered after all: ")


def test_a_status_of_the_plan_does_not_change_while_a_proof_is_missing() -> None:
    """Reminders and clocks follow what was lost; only the claims follow what is unproven."""
    assert status_word(undone(contained()).incident) == "contained"
    assert status_word(contained().record(check(TROUBLE)).incident) == "investigating"


def test_the_timeline_tells_a_recurrence_to_its_end() -> None:
    """It never ends with the alert that was resolved, or with the containment that was lost."""
    story = contained().after(1).record(alert("resolved")).after(1).record(alert("firing"))
    assert timeline(story.entries, plan())[-1].text == "Alert from alertmanager: Payments fail."
    title = story.incident.title
    story.record(alert("resolved").model_copy(update={"title": title}))
    story.record(alert("firing").model_copy(update={"title": title, "news": "it fires again"}))
    assert timeline(story.entries, plan())[-1].text == f"Alert from alertmanager is firing again: {title}."
    story.after(1).record(check(TROUBLE))
    assert timeline(story.entries, plan())[-1].text == f"Not contained any more: {TROUBLE.sentence}"
    story.after(1).record(check(HEALTH), Contained(by="Rolled back", finding=HEALTH))
    assert timeline(story.entries, plan())[-1].text == f"Contained again (Rolled back): {HEALTH.sentence}"
    story.after(2).record(check(HEALTH), Recovered(finding=HEALTH, checks=3, since=story.now - 2 * MINUTE))
    recovered = timeline(story.entries, plan())[-1].text
    assert recovered == f"Recovered: 3 checks over 2m were good; the last one: {HEALTH.sentence}"


def test_a_live_message_is_due_when_an_alert_resolves_or_fires_again() -> None:
    """The channel never goes on reading that the incident is over."""
    story = contained()
    for state in ("resolved", "firing"):
        before = story.incident.last_change
        assert story.after(1).record(alert(state)).incident.last_change != before
    before = story.incident.last_change
    assert story.after(1).record(alert("firing")).incident.last_change == before


def test_an_act_of_a_finished_outcome_without_a_change_leaves_the_proof() -> None:
    """A measure that was done already changes nothing."""
    story = contained().record(_proposed("contain/close~2"))
    story.record(
        ActFinished.model_validate(
            {"act": "contain/close~2", "outcome": {"status": "verified", "sentence": "x", "changed": False}}
        )
    )
    assert story.incident.contained is not None
