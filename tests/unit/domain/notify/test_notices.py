"""Who is notified when, in which role and instead of whom, by the record and the plan alone."""

from __future__ import annotations

from datetime import timedelta
from typing import Literal

import pytest

from allclear.domain.local_times import stamp
from allclear.domain.notify.end_notices import due_end_notices
from allclear.domain.notify.notice_tries import Notice
from allclear.domain.notify.notices import lines_due, titles_of
from allclear.domain.notify.notified import notified
from allclear.domain.notify.ways import NOT_TOLD
from allclear.domain.plan import Role
from allclear.domain.records import AudienceTold, IncidentEnded, SeverityChanged
from allclear.domain.reminders.due_reminders import reminders
from allclear.domain.reminders.undelivered_notices import notice_reminders
from allclear.domain.timeline import timeline
from tests.unit.domain.notify.notices_support import ANA, BREACH, CARA, REACHES, all_fail, due, line, notifying, sent
from tests.unit.domain.reminders.reminders_support import given
from tests.unit.domain.stories import Story, plan


def test_a_person_with_two_roles_is_notified_as_soon_as_one_line_applies() -> None:
    """The line that waits for a facet neither delays the message nor is named in it: it may never apply."""
    both = {"name": "Ana", "roles": ["pr_team", "tech_lead"]}
    company = notifying(BREACH, line("tech_lead"), people=(both,))
    story = Story().opened().verified().paged_only()
    (notice,) = due(company, story)
    assert (notice.audiences, notice.due) == (("tech_lead",), story.now)
    sent(story, notice, "Accepted.", good=True)
    assert due(company, story.after(60)) == []
    assert [(row.audience, row.reached) for row in notified(company, story.incident, story.now)] == [
        ("Tech Lead", True)
    ]


def test_who_stands_in_is_not_called_by_a_line_that_does_not_apply_yet() -> None:
    """No one is named as PR team, and no one has said that it is a breach: the tech lead's message names no PR team."""
    company = notifying(line("tech_lead"), BREACH, people=(ANA,))
    (notice,) = due(company, Story().opened().verified().paged_only())
    assert (notice.audiences, notice.stands_in_for) == (("tech_lead",), ())


def test_a_message_says_in_which_role_a_person_gets_it_and_instead_of_whom() -> None:
    """Cara is not the tech lead, whom no way reached."""
    company = notifying(line("tech_lead"), people=(ANA, CARA)).model_copy(
        update={"roles": {"tech_lead": Role(title="Tech Lead", deputies=["cto"]), "cto": Role(title="CTO")}}
    )
    story = all_fail(notifying(line("tech_lead"), people=(ANA,)), Story().opened().verified().paged_only())
    notice, again = due(company, story)
    assert (again.person, again.due > story.now) == ("Ana", True)
    assert (notice.person, notice.stands_in_for) == ("Cara", ("tech_lead",))
    assert titles_of(company, "Cara", notice.audiences, notice.stands_in_for) == "CTO (instead of Tech Lead)"
    assert list(notice_reminders(company, story.incident, [], REACHES)) == []  # Cara has nothing yet
    sent(story.after(1), notice, "Accepted.", good=True)
    (reminder,) = notice_reminders(company, story.incident, [], REACHES)
    assert reminder.sentence == (
        "Tech Lead could not be notified: Ana: email: The vendor refused it, sms: The vendor refused it. "
        "Notified instead: Cara."
    )
    assert reminder.due == story.now


def test_whom_no_message_reached_stands_first_with_the_contacts_and_the_command() -> None:
    """A person reads whom to call, at which number, and what to run then; after the end, that it never happened."""
    company = notifying(line("cto"), people=(CARA,))
    story = all_fail(company, Story().opened().verified().paged_only())
    (reminder,) = notice_reminders(company, story.incident, [], REACHES)
    given(story, reminder)
    first, *others = notified(company, story.incident, story.now)
    assert first.words(company) == (
        "CTO: NOT NOTIFIED, and no one is left to notify instead. "
        "Tell Cara (email 10@example.com, phone +491510000010) yourself. Then run: allclear told VS-12 cto --as NAME"
    )
    assert (first.not_notified, first.tell) == (True, "cto")
    assert [(row.way, row.reached) for row in others] == [("email", False), ("sms", False)]


def test_an_audience_without_a_name_is_shown_as_not_notified_as_soon_as_its_time_is_over() -> None:
    """No one has said whether it is a breach. The row does not need the reminder, which may still have to be given."""
    company = notifying(BREACH, people=({"name": "[Name]", "roles": ["pr_team"]},))
    story = Story().opened().verified().paged_only()
    (row,) = notified(company, story.incident, story.now)
    assert row.words(company) == (
        "PR team: not notified yet, because this is not known: Whether it is a security breach. "
        "Without an answer, a person must tell them at 2026-11-22 14:40 UTC, "
        "because no one is named as PR team: write the name under `people` in plan.yaml."
    )
    (row,) = notified(company, story.incident, story.after(10).now)
    assert row.words(company) == (
        "PR team: NOT NOTIFIED, because no one is named as PR team: write the name under `people` in plan.yaml. "
        "Tell them yourself. Then run: allclear told VS-12 pr_team --as NAME --role tech_lead"
    )
    assert (row.not_notified, row.tell) == (True, "pr_team")
    ended = story.record(IncidentEnded(ending="resolved", reason="Fixed.")).incident
    (row,) = notified(company, ended, story.now)
    assert row.words(company) == (
        "PR team: NOT NOTIFIED, because no one is named as PR team. No one recorded that a person told them."
    )


def test_a_person_who_has_a_contact_is_shown_as_not_notified_if_nothing_was_sent_in_time() -> None:
    """The responder was stopped: the row does not name a moment that has passed as if it still came."""
    company = notifying(BREACH, people=({"name": "Pia", "roles": ["pr_team"]},))
    story = Story().opened().verified().paged_only()
    (row,) = notified(company, story.incident, story.now)
    assert row.result.endswith("Without an answer, the message is sent at 2026-11-22 14:40 UTC.")
    (row,) = notified(company, story.incident, story.after(13).now)
    assert row.result == (
        "NOT NOTIFIED, because the message that was due at 2026-11-22 14:40 UTC was not sent. "
        "Tell Pia (email 10@example.com, phone +491510000010) yourself."
    )


def test_a_message_that_is_only_now_due_is_not_shown_as_missed() -> None:
    """The incident was verified or raised after the unknown fact's time was over. Sending may take a minute."""
    company = notifying(BREACH, people=({"name": "Pia", "roles": ["pr_team"]},))
    late = Story().opened().after(13).verified().paged_only()
    raised = Story().opened().verified().paged_only()
    raised.record(SeverityChanged(was="P0", now="P2", reason="Few users."))
    raised.after(20).record(SeverityChanged(was="P2", now="P0", reason="All users."))
    for story in (late, raised):
        ((_, due_at),) = lines_due(company, story.incident)
        assert due_at == story.now
        (row,) = notified(company, story.incident, story.now)
        assert (row.result, row.not_notified) == ("not notified yet", False)
        (row,) = notified(company, story.incident, story.now + timedelta(minutes=1))
        assert row.result.startswith(
            f"NOT NOTIFIED, because the message that was due at {stamp(due_at, company.zone)} was not sent."
        )


@pytest.mark.parametrize("ending", ["false-alarm", "abandoned"])
def test_no_one_has_to_be_notified_of_an_incident_that_ended_unresolved(
    ending: Literal["false-alarm", "abandoned"],
) -> None:
    """The messages that failed are still listed. No row asks to tell anyone, also if a reminder had asked for it."""
    company = notifying(line("cto"), BREACH, people=(CARA,))
    story = all_fail(company, Story().opened().verified().paged_only())
    first, *_ = [one for one in notice_reminders(company, story.incident, [], REACHES) if one.topic == NOT_TOLD]
    given(story, first)
    assert [row.audience for row in notified(company, story.incident, story.now) if row.not_notified] == ["CTO"]
    story.after(15).record(IncidentEnded(ending=ending, reason="So it is."))
    rows = notified(company, story.incident, story.now)
    assert [(row.audience, row.way, row.not_notified) for row in rows] == [
        ("CTO", "email", False),
        ("CTO", "sms", False),
    ]


def test_who_is_left_later_is_reported_although_a_person_has_told_the_first_ones() -> None:
    """A person has called the CTO, whom no one can reach either, before the time of the PR team was over."""
    company = notifying(line("cto"), BREACH, people=({"name": "[Name]", "roles": ["cto"]},))
    story = Story().opened().verified().paged_only()
    first, _ = [one for one in notice_reminders(company, story.incident, [], REACHES) if one.topic == NOT_TOLD]
    assert (first.audiences, first.due) == (("cto",), story.now)
    given(story, first).record(AudienceTold(audience="cto", text="By phone."))
    (second,) = [one for one in reminders(company, story.incident, [], REACHES) if one.topic == NOT_TOLD]
    assert (second.audiences, second.due) == (("pr_team",), story.incident.opened_at + timedelta(minutes=10))
    given(story.after(10), second)
    assert not [one for one in reminders(company, story.incident, [], REACHES) if one.topic == NOT_TOLD]
    rows = {row.audience: row.not_notified for row in notified(company, story.incident, story.now)}
    assert rows == {"CTO": False, "PR team": True}


def test_an_older_journal_keeps_the_audiences_that_no_one_could_notify() -> None:
    """Its reminders name the audiences only in their sentence. No one is paged for them again."""
    company = notifying(line("cto"), line("ceo"), people=(CARA, {"name": "Cleo", "roles": ["ceo"]}))
    story = all_fail(company, Story().opened().verified().paged_only())
    (reminder,) = notice_reminders(company, story.incident, [], REACHES)
    assert reminder.audiences == ("cto", "ceo")
    story.record(reminder.record().model_copy(update={"audiences": []}))
    assert list(notice_reminders(company, story.incident, [], REACHES)) == []
    story.record(IncidentEnded(ending="resolved", reason="Fixed."))
    rows = notified(company, story.incident, story.now)
    assert [row.audience for row in rows if row.not_notified] == ["CTO", "CEO"]


def test_a_message_that_is_sent_again_and_fails_as_before_has_one_line() -> None:
    """What succeeds in the end, or fails for another reason, has its own line."""
    story = Story().opened().verified().paged_only()
    notice = Notice(("cto",), "Cara", "email", "cara-email", story.now)
    for sentence in ("Refused.", "Refused.", "No answer.", "Refused."):
        sent(story.after(1), notice, sentence)
    sent(story.after(1), notice, "Accepted.", good=True)
    texts = [one.text for one in timeline(story.entries, plan()) if "ccepted." in one.text or "Failed" in one.text]
    assert len(texts) == 4


def test_whom_no_way_reached_is_sent_the_message_again_with_growing_pauses() -> None:
    """Every way in its order; what got through is neither repeated nor called undelivered any more."""
    company = notifying(line("cto"), people=(CARA,))
    story = all_fail(company, Story().opened().verified().paged_only())
    for pause in (60, 120, 240):
        (first,) = due(company, story)
        assert (first.way, (first.due - story.now).total_seconds()) == ("email", pause)
        sent(story.after(pause / 60), first, "The vendor refused it.")
        (second,) = due(company, story)
        assert (second.way, second.due) == ("sms", story.now)
        sent(story, second, "The vendor refused it.")
    (first,) = due(company, story)
    sent(story.after(8), first, "Accepted.", good=True)
    assert due(company, story) == []
    assert [(row.way, row.reached) for row in notified(company, story.incident, story.now)] == [
        ("email", True),
        ("sms", False),
    ]
    (reminder,) = notice_reminders(company, story.incident, [], REACHES)
    assert reminder.sentence.startswith("Notified after all: CTO (Cara), by email at ")


def test_a_message_that_may_have_arrived_is_not_sent_again_by_the_same_way() -> None:
    """The other way is tried again, and its text says that it may be a repeat; a failed delivery did not arrive."""
    company = notifying(line("cto"), people=(CARA,))
    story = Story().opened().verified().paged_only()
    (first,) = due(company, story)
    sent(story, first, "The answer was lost.", changed=True)
    (second,) = due(company, story)
    assert second.repeat
    sent(story, second, "The phone is off.", changed=True, deliveries={"+491510000010": "failed"})
    (again,) = due(company, story)
    assert (again.way, again.repeat) == ("sms", True)


def test_the_end_of_the_incident_ends_the_tries() -> None:
    """Those who were not notified are not told of what is over."""
    company = notifying(line("cto"), people=(CARA,))
    story = all_fail(company, Story().opened().verified().paged_only())
    story.record(IncidentEnded(ending="resolved", reason="The service is healthy."))
    assert due(company, story) == []


def test_who_stood_in_gets_nothing_more_once_the_own_people_are_tried_again() -> None:
    """Only Ana is the tech lead: Cara would read that no one could be reached although Ana is."""
    roles = {"tech_lead": Role(title="Tech Lead", deputies=["cto"]), "cto": Role(title="CTO")}
    company = notifying(line("tech_lead")).model_copy(update={"roles": roles})
    story = all_fail(company, Story().opened().verified().paged_only())
    assert {notice.person for notice in due(company, story)} == {"Ana"}


@pytest.mark.parametrize(("how", "ways"), [("acknowledged", ["email"]), ("delivered", ["sms"])])
def test_no_one_is_called_to_hear_that_it_is_over(how: str, ways: list[str]) -> None:
    """Who acknowledged a call gets a mail at the end; who got a text gets a text."""
    company = notifying(line("cto"), people=(CARA,))
    story = Story().opened().verified().paged_only()
    notice = Notice(("cto",), "Cara", "sms", "cara-sms", story.now)
    sent(story.after(1), notice, "It is there.", good=True, deliveries={"+491510000010": how})
    story.after(30).record(IncidentEnded(ending="resolved", reason="It works."))
    assert [one.way for one in due_end_notices(company, story.incident, REACHES)] == ways


@pytest.mark.parametrize(("meant", "ways"), [("acknowledged", ["email"]), ("delivered", ["sms"])])
def test_who_may_have_a_message_is_told_that_it_is_over(meant: str, ways: list[str]) -> None:
    """A call whose process ended may have been heard: that person gets a mail, and no second call."""
    company = notifying(line("cto"), people=(CARA,))
    story = Story().opened().verified().paged_only()
    notice = Notice(("cto",), "Cara", "sms", "cara-sms", story.now)
    sent(story.after(1), notice, "It was interrupted.", changed=True, meant={"+491510000010": meant})
    story.after(30).record(IncidentEnded(ending="resolved", reason="It works."))
    assert [one.way for one in due_end_notices(company, story.incident, REACHES)] == ways
