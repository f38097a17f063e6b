"""Duties and the post-mortem: when they apply, when they are due, and when they are met."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from allclear.domain.action import Finding, Verdict
from allclear.domain.pseudo_phases import DUTY
from allclear.domain.records import Assessed, PhaseLeft, StepDone
from allclear.domain.reminders.deadlines import deadlines, duties
from allclear.domain.template_values import deadline_lines
from tests.unit.domain.reminders.deadlines_support import FALSE_ALARM, RECOVERED, changed, of_kind, opened, plan_with
from tests.unit.domain.stories import ANA, START, Story

# --- duties --------------------------------------------------------------------------------------------

REGULATOR = {
    "name": "regulator",
    "title": "Tell the authority",
    "ask": "Tell it.",
    "role": "cto",
    "within": "72h",
    "when": {"breach": "yes"},
    "source": "Art. 33 GDPR",
}
BOARD = {
    "name": "board",
    "title": "Tell the board",
    "ask": "Tell it.",
    "role": "cto",
    "within": "4 business hours",
    "from": "alert",
    "severities": ["P0"],
}
WITH_DUTIES = plan_with(duties=[REGULATOR, BOARD])


def _duties(story: Story) -> list[str]:
    return [duty.name for duty in duties(WITH_DUTIES, story.incident)]


def _answered(story: Story, duty: str, *, done: bool) -> Story:
    verdict = Verdict.SUCCESS if done else Verdict.INCONCLUSIVE
    finding = Finding(verdict=verdict, sentence="So it is.")
    return story.record(StepDone(phase=DUTY, step=duty, title=duty, finding=finding), by=ANA)


def test_a_duty_applies_until_a_facet_rules_it_out() -> None:
    """An unknown facet counts as a match; a facet that changes can remove the duty and add it again."""
    story = opened("P1")
    assert _duties(story) == ["regulator"]
    assert _duties(story.record(Assessed(facets={"breach": "no"}), by=ANA)) == []
    assert _duties(story.record(Assessed(facets={"breach": "unknown"}), by=ANA)) == ["regulator"]
    assert _duties(story.record(Assessed(facets={"breach": "yes"}), by=ANA)) == ["regulator"]


def test_a_duty_of_an_earlier_severity_stays() -> None:
    """Lowering the severity removes no duty; raising it adds one."""
    story = changed(opened("P1"), "P0")
    assert _duties(story) == ["regulator", "board"]
    assert _duties(changed(story, "P2")) == ["regulator", "board"]
    assert _duties(opened("P2")) == ["regulator"]


def test_a_duty_applies_only_to_its_kinds_of_incident() -> None:
    """It applies as soon as a person sets the kind."""
    company_plan = plan_with(duties=[REGULATOR | {"kinds": ["security"], "when": {}}])
    story = opened("P1")
    assert duties(company_plan, story.incident) == []
    story.record(Assessed(incident_kind="security"), by=ANA)
    assert [duty.name for duty in duties(company_plan, story.incident)] == ["regulator"]


def test_a_duty_is_due_by_its_clock_and_met_by_a_yes() -> None:
    """72 hours count from awareness; four business hours after an alert on a Sunday end on Monday at 13:00."""
    story = changed(opened("P1"), "P0")
    assert {deadline.name: deadline.due for deadline in of_kind(WITH_DUTIES, story, "duty")} == {
        "board": datetime(2026, 11, 23, 13, tzinfo=UTC),
        "regulator": START + timedelta(hours=72),
    }
    _answered(story.after(60), "board", done=True)
    (board, regulator) = of_kind(WITH_DUTIES, story, "duty")
    assert (board.met, regulator.met) == (story.now, None)
    assert not board.missed(START + timedelta(days=30))
    assert regulator.missed(START + timedelta(hours=73))


def test_a_no_does_not_meet_a_duty() -> None:
    """It is declined: no longer open, and not met. It is missed if the no came too late."""
    story = _answered(changed(opened("P1"), "P0").after(60), "board", done=False)
    board = of_kind(WITH_DUTIES, story, "duty")[0]
    assert (board.met, board.declined) == (None, story.now)
    assert not board.missed(START + timedelta(days=30))
    assert [line for line in deadline_lines(story.incident, WITH_DUTIES, story.now) if "board" in line] == []
    lines = [line for line in deadline_lines(story.incident, WITH_DUTIES, story.now, met=True) if "board" in line]
    assert lines[0].endswith("declined 2026-11-22 15:30 UTC")
    late = _answered(changed(opened("P1"), "P0").after(60 * 24), "board", done=False)
    assert of_kind(WITH_DUTIES, late, "duty")[0].missed(late.now)


def test_a_false_alarm_has_no_duties() -> None:
    """Only the duties that were done before stay listed."""
    story = _answered(changed(opened("P1"), "P0"), "board", done=True).record(FALSE_ALARM, by=ANA)
    assert _duties(story) == ["board"]
    assert [(deadline.what, deadline.name) for deadline in deadlines(WITH_DUTIES, story.incident)] == [
        ("duty", "board")
    ]


# --- the post-mortem -----------------------------------------------------------------------------------

REVIEWED = plan_with(
    post_mortem={
        "template": "templates/post-mortem.md",
        "title": "Review",
        "due": [
            {"what": "meeting", "within": "48h", "not_before": "24h"},
            {"within": "5 business days"},
            {"what": "board-letter", "within": "24h", "severities": ["P0"]},
        ],
    }
)


def test_the_post_mortem_is_due_after_recovery() -> None:
    """Each part has its own time, counted from the recovery."""
    story = opened("P1")
    assert [deadline.due for deadline in of_kind(REVIEWED, story, "post-mortem")] == [None, None]
    story.after(30).record(RECOVERED)
    assert [(deadline.title, deadline.due) for deadline in of_kind(REVIEWED, story, "post-mortem")] == [
        ("Review: meeting", story.now + timedelta(hours=48)),
        ("Review: document", datetime(2026, 11, 27, 17, tzinfo=UTC)),
    ]


def test_a_meeting_is_met_by_the_answer_that_says_it_was_held() -> None:
    """The step called as the due thing says so, or the one that the plan names.

    The end of the review says so of what no one was asked for; what was answered "not done" stays declined.
    """
    story = opened("P0").after(30).record(RECOVERED)
    story.after(60).record(_reviewed("meeting", Verdict.SUCCESS), _reviewed("document", Verdict.INCONCLUSIVE))
    found = {one.name: one for one in of_kind(REVIEWED, story, "post-mortem")}
    assert (found["meeting"].met, found["meeting"].missed(story.now + timedelta(days=9))) == (story.now, False)
    assert (found["document"].met, found["document"].declined) == (None, story.now)
    assert (found["board-letter"].met, found["board-letter"].declined) == (None, None)
    rules = {"template": "t.md", "due": [{"what": "board-letter", "within": "24h", "met_by": "letter"}]}
    [letter] = of_kind(plan_with(post_mortem=rules), story.record(_reviewed("letter", Verdict.SUCCESS)), "post-mortem")
    assert letter.met == story.now
    story.after(60).record(PhaseLeft(phase="review"))
    found = {one.name: one for one in of_kind(REVIEWED, story, "post-mortem")}
    assert [name for name, one in found.items() if one.met is None] == ["document"]
    assert found["board-letter"].met == story.now


def _reviewed(step: str, verdict: Verdict) -> StepDone:
    return StepDone(phase="review", step=step, title=step, finding=Finding(verdict=verdict, sentence="Answered."))


def test_the_worst_severity_decides_what_the_post_mortem_needs() -> None:
    """An incident that was a P0 for a while needs the post-mortem of a P0."""
    story = changed(changed(opened("P1"), "P0"), "P2")
    assert {deadline.name: deadline.severity for deadline in of_kind(REVIEWED, story, "post-mortem")} == {
        "meeting": "P0",
        "document": "P0",
        "board-letter": "P0",
    }


def test_a_false_alarm_has_no_post_mortem() -> None:
    """There is nothing to review."""
    assert of_kind(REVIEWED, opened("P0").record(FALSE_ALARM, by=ANA), "post-mortem") == []
