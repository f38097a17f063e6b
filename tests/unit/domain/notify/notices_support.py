"""A plan that notifies its leaders, and what becomes of the messages, for the tests of notices and updates."""

from __future__ import annotations

from typing import Any

from allclear.domain.action import ActStatus, Outcome
from allclear.domain.notify.notice_tries import Notice
from allclear.domain.notify.notices import audience_states, due_notices
from allclear.domain.plan import Facet, MessageAction, Notification, Person, Plan, Role
from allclear.domain.pseudo_phases import NOTICE
from allclear.domain.records import ActFinished, ActProposed, NoticeOf
from tests.unit.domain.stories import Story, change, plan

REACHES = {"email": "email", "sms": "phone"}
ROLES = {"tech_lead": "Tech Lead", "cto": "CTO", "ceo": "CEO", "pr_team": "PR team"}
ANA = {"name": "Ana", "roles": ["tech_lead"]}
CARA = {"name": "Cara", "roles": ["cto"]}


def line(audience: str, **more: Any) -> Notification:  # noqa: ANN401 - fields of a line
    """Return a line of the plan's notifications, for P0."""
    return Notification.model_validate({"audience": audience, "severities": ["P0"], **more})


BREACH = line("pr_team", when={"security_breach": "yes"})


def notifying(*lines: Notification, people: tuple[dict[str, Any], ...] = (ANA, CARA)) -> Plan:
    """Return a plan with these lines and people, whom e-mail and texts reach."""
    contacts = {"email": "{}@example.com", "phone": "+4915100000{}"}
    named = [
        Person.model_validate({"contacts": {kind: text.format(number) for kind, text in contacts.items()}, **person})
        for number, person in enumerate(people, start=10)
    ]
    call = MessageAction.model_validate({"action": "message.send", "with": {}})
    parts = {
        "people": named,
        "roles": {name: Role(title=title) for name, title in ROLES.items()},
        "facets": {"security_breach": Facet(title="Whether it is a security breach")},
        "ways": {"email": call, "sms": call},
        "notifications": list(lines),
        "escalation_policies": [],
    }
    return plan().model_copy(update=parts)


def due(of: Plan, story: Story) -> list[Notice]:
    """Return the messages that are to be sent, now or later."""
    return due_notices(audience_states(of, story.incident, [], REACHES))


def sent(  # noqa: PLR0913 - what a message can be
    story: Story,
    notice: Notice,
    sentence: str,
    *,
    good: bool = False,
    changed: bool = False,
    deliveries: dict[str, str] | None = None,
    meant: dict[str, str] | None = None,
) -> Story:
    """Record that a message was sent, or could not be. `meant` is how far it was to get."""
    act = f"{NOTICE}/{notice.step}/{len(story.entries)}"
    about = NoticeOf(
        audiences=list(notice.audiences),
        person=notice.person,
        way=notice.way,
        stands_in_for=list(notice.stands_in_for),
        update=notice.update,
    )
    proposed = ActProposed(
        act=act,
        phase=NOTICE,
        step=notice.step,
        action="message.send",
        title="Notify",
        params={},
        change=change("Send", {}, {"deliveries": meant} if meant else {"sent": True}, "message.send"),
        notice=about,
        tells=True,
    )
    status = ActStatus.VERIFIED if good else ActStatus.FAILED
    after = {"deliveries": deliveries} if deliveries else None
    outcome = Outcome(status=status, changed=good or changed, sentence=sentence, after=after)
    return story.record(proposed, ActFinished(act=act, outcome=outcome))


def all_fail(of: Plan, story: Story) -> Story:
    """Record that every message which is due now fails, until none is left."""
    for _ in range(20):
        now = [notice for notice in due(of, story) if notice.due <= story.now]
        for notice in now:
            sent(story.after(0.01), notice, "The vendor refused it.")
    return story
