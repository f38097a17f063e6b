"""By which ways a reminder is sent: the rules of `reminders`, then the plan's `ways` that reach one of its people."""

from __future__ import annotations

from typing import Any

import pytest

from allclear.domain.action import ActStatus, Outcome
from allclear.domain.incident import ReminderState
from allclear.domain.notify.ways import Way, ways
from allclear.domain.plan import MessageAction, Plan, ReminderRules
from allclear.domain.pseudo_phases import REMINDER
from allclear.domain.records import ActFinished, ActProposed, IncidentEnded, ReminderDue, RoleTaken
from allclear.domain.reminders.due_reminders import reminders
from allclear.engine.notify.failed_sends import next_ways
from tests.unit.domain.notify.notices_support import notifying
from tests.unit.domain.stories import BEN, Story, change

REACHES = {"pager": None, "sms": "phone", "phone": "phone", "email": "email", "slack": "slack"}
ACTIONS = {
    "pager": "pagerduty.page",
    "sms": "twilio.text",
    "phone": "twilio.call",
    "email": "email.send",
    "slack": "slack.post",
}
ANA = {"name": "Ana", "roles": ["tech_lead"]}
CARA = {"name": "Cara", "roles": ["cto"], "contacts": {"email": "cara@example.com"}}


def call(action: str) -> MessageAction:
    """Return the action of a way."""
    return MessageAction.model_validate({"action": action, "with": {}})


def company(*people: dict[str, Any]) -> Plan:
    """Return a plan whose reminders use Slack and PagerDuty, and which has other ways."""
    rules = ReminderRules(message=call("slack.post"), page=call("pagerduty.page"))
    named = {name: call(action) for name, action in ACTIONS.items()}
    return notifying(people=people or (ANA, CARA)).model_copy(update={"ways": named, "reminders": rules})


def reminded(
    story: Story, topic: str = "lost:3", *, urgent: bool = True, roles: tuple[str, ...] = ("tech_lead",)
) -> Story:
    """Record that a reminder was given."""
    return story.record(ReminderDue(topic=topic, level=1, sentence="Act now.", roles=list(roles), urgent=urgent))


def state_of(story: Story) -> ReminderState:
    """Return the last reminder."""
    return [state for states in story.incident.reminders.values() for state in states][-1]


def chosen(plan: Plan, story: Story) -> list[Way]:
    """Return the ways for the last reminder."""
    return ways(plan, story.incident, state_of(story), REACHES, [])


def actions(plan: Plan, story: Story) -> list[str]:
    """Return the actions of the ways for the last reminder."""
    return [way.message.action for way in chosen(plan, story)]


def tried(
    story: Story,
    way: Way,
    *,
    status: ActStatus = ActStatus.FAILED,
    changed: bool = False,
    deliveries: dict[str, str] | None = None,
) -> Story:
    """Record that a reminder was sent by a way, and what became of it."""
    act, wanted = f"{REMINDER}/{way.step}/{len(story.entries)}", dict.fromkeys(deliveries or {}, "delivered")
    proposed = ActProposed(
        act=act,
        phase=REMINDER,
        step=way.step,
        action=way.message.action,
        title="Remind people",
        params={},
        change=change("Send", {}, {"deliveries": wanted}, way.message.action),
        tells=True,
    )
    after = {"deliveries": deliveries} if deliveries else None
    outcome = Outcome(
        status=status, changed=changed, sentence=f"{way.message.action} is down. Try it later.", after=after
    )
    return story.record(proposed, ActFinished(act=act, outcome=outcome))


OTHERS = ["twilio.text", "twilio.call", "email.send"]


@pytest.mark.parametrize(
    ("topic", "urgent", "wanted"),
    [
        ("lost:3", "urgent", ["pagerduty.page", "slack.post", *OTHERS]),
        ("page-failed:detect/page", "", ["slack.post", "pagerduty.page", *OTHERS]),
        ("not-told", "urgent", ["slack.post", "pagerduty.page", *OTHERS]),
        ("not-told", "", ["slack.post", *OTHERS]),
        ("stale-message:live/1", "", ["slack.post", "pagerduty.page", *OTHERS]),
        ("news", "", ["slack.post"]),
    ],
)
def test_an_urgent_reminder_ends_with_the_plans_other_ways(topic: str, urgent: str, wanted: list[str]) -> None:
    """In the plan's order, and each action once; another reminder is only a message."""
    assert actions(company(), reminded(Story().opened(), topic, urgent=bool(urgent))) == wanted


def test_the_other_ways_have_steps_of_their_own() -> None:
    """The steps of the rules stay as they are in older records."""
    found = chosen(company(), reminded(Story().opened()))
    number = found[0].step
    assert [way.step for way in found[1:]] == [
        f"{number}-{action}" for action in ("slack-post", "twilio-text", "twilio-call", "email-send")
    ]
    assert [way.of_plan for way in found] == [False, False, True, True, True]


def test_a_way_that_reaches_no_one_is_left_out() -> None:
    """Cara has an e-mail address alone, and Ana's phone rings only at night; no one has the role of the CEO."""
    assert actions(company(), reminded(Story().opened(), roles=("cto",)))[2:] == ["email.send"]
    assert actions(company(), reminded(Story().opened(), roles=("ceo",)))[2:] == []
    at_night = {"phone": {"address": "+4915100000010", "hours": "00:00-01:00"}}
    assert actions(company({**ANA, "contacts": at_night}), reminded(Story().opened()))[2:] == []
    story = Story().opened().record(RoleTaken(role="tech_lead", person="Cara"), by=BEN)
    assert actions(company(), reminded(story))[2:] == ["email.send"]


def fail_all(plan: Plan, story: Story) -> Story:
    """Record that each way for the last reminder failed."""
    for way in chosen(plan, story):
        tried(story, way)
    return story


def no_way_left(plan: Plan, story: Story) -> list[str]:
    """Return what is said of a reminder that no way delivered."""
    found = reminders(plan, story.incident, [], REACHES)
    return [one.sentence for one in found if one.topic.startswith("no-way-left:")]


def test_no_way_is_left_only_when_each_of_them_has_failed() -> None:
    """It names each with its reason."""
    plan, story = company(), reminded(Story().opened())
    found = chosen(plan, story)
    for way in found[:-1]:
        tried(story, way)
        assert no_way_left(plan, story) == []
    tried(story, found[-1])
    (sentence,) = no_way_left(plan, story)
    reasons = "; ".join(f"{way.message.action}: {way.message.action} is down. Try it later" for way in found)
    assert sentence.startswith(f"NO WAY IS LEFT to tell people ({reasons}). Call the person on call now.")


@pytest.mark.parametrize(("second", "said"), [("delivered", 0), ("failed", 1), ("unknown", 1), ("accepted", 1)])
def test_a_way_that_reached_one_person_is_no_failure_of_all(second: str, said: int) -> None:
    """A text that the vendor accepted has reached no one."""
    plan, story = company(), reminded(Story().opened())
    found = chosen(plan, story)
    for way in found:
        text = way.message.action == "twilio.text"
        tried(story, way, deliveries={"+491": "failed", "+492": second} if text else None)
    assert len(no_way_left(plan, story)) == said


def due(plan: Plan, story: Story) -> list[str]:
    """Return the actions by which the last reminder is to be sent now."""
    found = next_ways(story.incident, state_of(story), chosen(plan, story))
    return [way.message.action for way, at in found if at <= story.now]


def test_each_way_follows_as_soon_as_the_one_before_failed() -> None:
    """The pager and the channel are tried again, beside a way that told people; that way is not."""
    plan, story = company(), reminded(Story().opened())
    for way in chosen(plan, story)[:3]:
        assert due(plan, story) == [way.message.action]
        tried(story, way)
    assert due(plan, story) == ["twilio.call"]
    tried(story, chosen(plan, story)[3], status=ActStatus.VERIFIED, changed=True)
    assert due(plan, story) == []
    assert due(plan, story.after(1)) == ["pagerduty.page", "slack.post"]


def test_a_refused_way_and_one_that_may_have_told_people_are_not_used_again() -> None:
    """One that certainly told no one is."""
    plan, story = company(), reminded(Story().opened())
    page, post, text, phone, mail = chosen(plan, story)
    tried(tried(tried(story, page), post), text, status=ActStatus.REFUSED)
    tried(story, phone, status=ActStatus.UNVERIFIED, changed=True, deliveries={"+491": "unknown"})
    tried(story, mail)
    assert due(plan, story.after(1)) == ["pagerduty.page", "slack.post", "email.send"]


def test_the_other_ways_tell_no_one_of_an_incident_that_is_over() -> None:
    """An old reminder that could not be sent reaches no phone after the end."""
    plan, story = company(), reminded(Story().opened())
    for way in chosen(plan, story)[:2]:
        tried(story, way)
    story.after(1).record(IncidentEnded(ending="resolved", reason="It is well."))
    assert due(plan, story) == ["pagerduty.page", "slack.post"]
