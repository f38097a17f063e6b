"""What went well and what did not, as the record shows it."""

from __future__ import annotations

from datetime import timedelta

from allclear.domain.action import ActStatus, Outcome
from allclear.domain.approval import AskKind
from allclear.domain.plan import Plan, Span, Target
from allclear.domain.records import ActFinished, AskAnswered, AskOpened, Contained, ReminderDue
from allclear.postmortem.lessons import could_improve, went_well
from tests.unit.domain.stories import ANA, HEALTH, Story, plan
from tests.unit.postmortem.recurring import recurring
from tests.unit.postmortem.test_suggestions import step


def _timed(minutes: float) -> Plan:
    """Return the plan with a target: the time until a person responds."""
    target = Target(name="respond", within=Span(timedelta(minutes=minutes)))
    small = plan()
    return small.model_copy(
        update={"severities": [one.model_copy(update={"targets": [target]}) for one in small.severities]}
    )


def _well(story: Story, of: Plan | None = None) -> list[str]:
    return went_well(story.incident, of or plan(), story.now)


def _wrong(story: Story, of: Plan | None = None) -> list[str]:
    return could_improve(story.incident, story.entries, of or plan(), story.now)


def test_what_worked_at_once_went_well() -> None:
    """Detection by monitoring, the first measure, and acts that were all verified."""
    assert _well(Story().whole()) == [
        "Monitoring noticed it 2m after it began.",
        'The first measure, "Roll back traffic", contained it.',
        "Both acts on production were verified.",
    ]


def test_a_target_is_told_as_met_or_missed() -> None:
    """The plan's own clock decides, and both times are named."""
    story = Story().whole()
    assert '"respond" (P0) was in time: after 2m 30s of 5m.' in _well(story, _timed(5))
    assert '"respond" (P0) was missed by 1m 30s.' in _wrong(story, _timed(1))
    assert not any("respond" in line for line in [*_well(story, _timed(1)), *_wrong(story, _timed(5))])


def test_false_starts_are_told() -> None:
    """An act that was refused, one that was denied, and a measure that did not help."""
    story = Story().opened().verified().paged().roll_back_proposed().answered("contain/roll-back", "", yes=False)
    denied = Outcome(status=ActStatus.REJECTED, changed=False, sentence="Ana denied it.")
    story.record(ActFinished(act="contain/roll-back", outcome=denied))
    assert '"Roll back traffic" was proposed and denied.' in _wrong(story)
    assert '"Turn the flag off": not done. There is no flag called new-checkout.' in _wrong(Story().whole())
    story = Story().opened().verified().paged().roll_back_proposed().answered("contain/roll-back", "yes")
    story.done("contain/roll-back", "41 serves.").after(5).record(Contained(by="Maintenance mode", finding=HEALTH))
    assert '"Roll back traffic" was done and did not contain it.' in _wrong(story)
    assert not any("first measure" in line for line in _well(story))


def test_an_act_whose_effect_is_not_known_is_told() -> None:
    """Indeterminate and failed acts are never among what went well."""
    story = Story().opened().verified().paged().roll_back_proposed().answered("contain/roll-back", "yes")
    story.done("contain/roll-back", "Cloud Run did not answer.", ActStatus.INDETERMINATE)
    assert '"Roll back traffic": unknown whether it was done. Cloud Run did not answer.' in _wrong(story)
    assert not any("verified" in line for line in _well(story))


def test_retries_and_reminders_are_counted() -> None:
    """How often people had to be asked again, and reminded."""
    story = Story().opened().verified().paged_only()
    for level in (1, 2):
        story.after(5).record(ReminderDue(topic="acknowledge", level=level, sentence="No one.", urgent=True))
    story.record(ReminderDue(topic="acknowledge:17", level=1, sentence="No one.", urgent=True))
    for topic in ("answer:VS-12/contain/roll-back", "update:status_page"):
        story.record(ReminderDue(topic=topic, level=1, sentence="Due."))
    ask = step("resolve", "confirm", "Confirm").ask.model_copy(update={"kind": AskKind.RETRY})
    story.record(AskOpened(ask=ask)).record(AskAnswered(ask=ask.id, yes=True, reason="again"), by=ANA)
    assert _wrong(story) == [
        "People were asked 1 time what to do after a check that was not healthy.",
        "A page was not acknowledged in time: it was escalated 3 times.",
        "Questions waited: people were reminded of them 1 time.",
        "Status updates were due: people were reminded of them 1 time.",
        "No one led the incident.",
    ]


def test_a_containment_that_did_not_last_is_told() -> None:
    """It is no first measure that contained the incident, and the check that ended it is named."""
    story = recurring()
    assert "Containment was lost at 14:44: 20 requests: 12 failed (60 %), p95 84 ms." in _wrong(story)
    assert not any("first measure" in line for line in _well(story))


def test_silence_during_the_incident_is_told() -> None:
    """More than ten minutes without an entry, before recovery; the days until the review do not count."""
    assert "Nothing was recorded from 14:34 to 14:48 (14m)." in _wrong(Story().whole())
    assert sum("Nothing was recorded" in line for line in _wrong(Story().whole())) == 1
