"""The review of an incident that has ended: what it still does."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

from allclear.bootstrap import make_engine
from allclear.commands.assess import Assess
from allclear.domain.approval import Ask
from allclear.domain.placeholders import LEARNED, Unknown
from allclear.domain.privacy import is_private
from allclear.domain.records import By, StepDone
from allclear.domain.reminders.deadlines import deadlines
from allclear.domain.reminders.follow_ups import FOLLOW_UP
from allclear.domain.runbook import Phase, Step
from allclear.engine.response.moves import Wait
from allclear.postmortem.document import PostMortem, write_post_mortem
from tasks.slack import PostMessage
from tests.patience import HUNG
from tests.scenario.notice_support import later
from tests.scenario.private_support import READER, private, private_if_security
from tests.scenario.response_support import ALERT, broken, installed, person_for, say_yes, vintstreet
from tests.scenario.scenes import Scene, scene

PAGES = "https://allclear.example.com"
LEADING_READER = READER.model_copy(update={"role": "incident_commander"})


async def test_a_probe_of_the_review_is_run_once_although_the_incident_has_ended(tmp_path: Path) -> None:
    """Its finding was refused because the incident was over, so the same move came again without end."""
    company = vintstreet()
    book = company.runbooks["bad-deployment"]
    look = Step.model_validate(
        {"id": "look", "title": "Look once more", "probe": "http.health", "with": {"service": "storefront"}}
    )
    reviewed = book.model_copy(update={"review": [look]})
    company = replace(company, runbooks={**company.runbooks, book.name: reviewed})
    async with scene(tmp_path, company, broken(), ALERT) as it:
        await it.past_detection()
        it.engine.people.resolve(it.incident_id, "the test ends it", person_for(it.incident.open_asks[0].ask))
        async with asyncio.timeout(HUNG):
            await it.to(Phase.REVIEW)
        looked = [entry for entry in it.engine.journal.entries(it.incident_id) if isinstance(entry.record, StepDone)]
        assert [entry.record.step for entry in looked if isinstance(entry.record, StepDone)].count("look") == 1


async def test_the_learnings_are_shared_in_peoples_words_after_the_post_mortem(tmp_path: Path) -> None:
    """In the team's channel and to its mailing list, once the person who completes the post-mortem says so."""
    async with scene(tmp_path, vintstreet(), broken(), ALERT, page_url=PAGES) as it:
        await it.past_detection()
        it.engine.people.resolve(it.incident_id, "the test ends it", person_for(it.incident.open_asks[0].ask))
        scribe = By(actor="Sam", role="scribe", via="cli")
        it.engine.people.write_post_mortem("VS-1", "summary", "A release broke the checkout.", scribe)
        it.engine.people.write_post_mortem(
            "VS-1", "went_well", "- The alert was quick.\n- So was the way back.", scribe
        )
        it.engine.people.follow_up("VS-1", "Test gift cards.", "Ben", it.watch.now + timedelta(days=7), scribe)
        for step in ("meeting", "action-items", "document"):
            assert posted(it) == []
            move = await it.to(Phase.REVIEW)
            assert isinstance(move, Wait)
            (ask,) = [one.ask for one in it.incident.open_asks]
            assert ask.step == step
            say_yes(it.engine, it.simulated.world, ask)
        await it.to(Phase.REVIEW)
        (text,) = posted(it)
        mail = it.simulated.world.mails[-1]
        assert mail.recipients == ("engineering@vintstreet.com",)
        for one in (text, mail.text.replace("\r\n", "\n")):
            assert "What happened: A release broke the checkout.\n" in one
            assert "What went well: The alert was quick.; So was the way back.\n" in one
            assert "Action items: Test gift cards (Ben, by 2026-11-29)\n" in one
            assert "improved" not in one  # no one wrote it
            assert one.count(f"{PAGES}/i/VS-1") == 1


async def test_no_learnings_are_shared_while_there_is_no_post_mortem(tmp_path: Path) -> None:
    """A person who answers "not done" reads before that nothing is shared then, and has a follow-up to do it later."""
    async with scene(tmp_path, vintstreet(), broken(), ALERT) as it:
        await it.past_detection()
        it.engine.people.resolve(it.incident_id, "the test ends it", person_for(it.incident.open_asks[0].ask))
        mails = 0
        for step in ("meeting", "action-items", "document"):
            assert isinstance(await it.to(Phase.REVIEW), Wait)
            (ask,) = [one.ask for one in it.incident.open_asks]
            assert ask.step == step
            assert ("Share learnings with the team; Send the learnings" in ask.no) is (step == "document")
            assert ask.no.endswith("You get a follow-up with all of them, due in 14 days.") is (step == "document")
            mails = len(it.simulated.world.mails)
            it.engine.people.answer(ask.id, person_for(ask), yes=step != "document", reason="no one had the time")
        await it.to(Phase.REVIEW)
        assert Phase.REVIEW.value in it.incident.left
        assert posted(it) == []
        assert len(it.simulated.world.mails) == mails
        (document,) = [one for one in deadlines(it.engine.company.plan, it.incident) if one.name == "document"]
        assert document.declined
        assert document.met is None
        (left,) = it.incident.follow_ups
        assert left.text == (
            "Still to do: Complete the post-mortem. After it: Share learnings with the team; "
            "Send the learnings to the engineering team."
        )
        assert left.owner == person_for(ask).actor
        plan, entries = it.engine.company.plan, it.engine.journal.entries(it.incident_id)
        source = PostMortem(it.incident, entries, plan, "Storefront", "{action_items}", it.watch.now)
        assert "Send the learnings to the engineering team" in write_post_mortem(source)
        it.watch.now = left.due + timedelta(minutes=1)
        await it.engine.reminders.start_due()
        await it.engine.reminders.wait()
        assert any(topic.startswith(FOLLOW_UP) for topic in it.incident.reminders)


async def test_a_follow_up_names_the_steps_that_are_left_out_at_the_time_of_the_answer(tmp_path: Path) -> None:
    """The incident becomes private while the question is open: its learnings are not for the team any more."""
    async with scene(tmp_path, private_if_security(), broken(), ALERT) as it:
        ask = await asked_for(it, "document")
        assert "As the incident is now, these steps are left out as well: Share learnings with the team" in ask.no
        await Assess(kind="security", reason="a table was copied").carry_out(it.engine, it.incident_id, READER)
        said = it.engine.people.answer(ask.id, LEADING_READER, yes=False, reason="no one had the time")
        assert said.endswith("The step cannot or need not be done; the note says why.")
        assert it.incident.follow_ups == []
        await it.to(Phase.REVIEW)
        assert "share-private" in [one.ask.step for one in it.incident.open_asks]


async def test_a_follow_up_names_the_steps_that_became_the_teams_since_the_question(tmp_path: Path) -> None:
    """The incident was private when the question was asked, and is not any more."""
    async with scene(tmp_path, private_if_security(), broken(), ALERT) as it:
        await Assess(kind="security", reason="a table was copied").carry_out(it.engine, it.incident_id, READER)
        ask = await asked_for(it, "document", LEADING_READER)
        assert "left out" not in ask.no
        await Assess(kind="outage", reason="no table was copied").carry_out(it.engine, it.incident_id, READER)
        said = it.engine.people.answer(ask.id, LEADING_READER, yes=False, reason="no one had the time")
        assert "left out as well: Share learnings with the team; Send the learnings to the engineering team." in said
        (left,) = it.incident.follow_ups
        assert left.text.endswith(
            "After it: Share learnings with the team; Send the learnings to the engineering team."
        )


async def test_a_step_that_depends_on_a_left_out_step_is_left_out(tmp_path: Path) -> None:
    """The question and the follow-up name both, and neither is asked."""
    write, check, send = (
        Step.model_validate({"id": id_, "title": title, "person": "on_call", "ask": "Do it.", "if_done": needed})
        for id_, title, needed in (
            ("write", "Write the report", None),
            ("check", "Check the report", "write"),
            ("send", "Send it to the regulator", "check"),
        )
    )
    company = vintstreet()
    book = company.runbooks["bad-deployment"].model_copy(update={"review": [write, check, send]})
    company = replace(company, runbooks=company.runbooks | {book.name: book})
    async with scene(tmp_path, company, broken(), ALERT) as it:
        ask = await asked_for(it, "write")
        assert "left out as well: Check the report; Send it to the regulator." in ask.no
        it.engine.people.answer(ask.id, person_for(ask), yes=False, reason="no one had the time")
        await it.to(Phase.REVIEW)
        assert it.incident.open_asks == []
        assert Phase.REVIEW.value in it.incident.left
        (left,) = it.incident.follow_ups
        assert left.text == "Still to do: Write the report. After it: Check the report; Send it to the regulator."


async def asked_for(it: Scene, step: str, by: By | None = None) -> Ask:
    """Return the question of the review for `step`, after a yes to those before it."""
    await it.past_detection()
    it.engine.people.resolve(it.incident_id, "the test ends it", by or person_for(it.incident.open_asks[0].ask))
    while True:
        await it.to(Phase.REVIEW)
        (ask,) = [one.ask for one in it.incident.open_asks]
        if ask.step == step:
            return ask
        it.engine.people.answer(ask.id, by or person_for(ask), yes=True, reason="done")


async def test_the_learnings_of_a_private_incident_are_sent_to_no_one(tmp_path: Path) -> None:
    """A person judges what the team may know; the words of the post-mortem are in no message."""
    async with scene(tmp_path, private(), broken(), ALERT) as it:
        assert is_private(it.engine.company.plan, it.incident)
        values = it.engine.conductor.values_for(it.incident, PostMessage)
        assert all(isinstance(values[name], Unknown) for name in LEARNED)
        steps = {step.id: step.kinds for step in it.engine.company.runbook("bad-deployment").review}
        assert steps["share"] == steps["share-by-email"] == ["outage", "degradation"]
        assert steps["share-private"] == ["security"]


def posted(it: Scene) -> list[str]:
    """Return the learnings in the team's channel."""
    channel = it.simulated.world.workspace.channels[0]
    return [str(one["text"]) for one in channel.messages if str(one["text"]).find("Learnings from") >= 0]


async def test_reminders_of_the_post_mortem_end_with_it(tmp_path: Path) -> None:
    """They go to the lead before the deadline, at it, and then once a day, also if a restart lies between."""
    async with scene(tmp_path, vintstreet(), broken(), ALERT) as it:
        await it.past_detection()
        it.engine.people.resolve(it.incident_id, "the test ends it", person_for(it.incident.open_asks[0].ask))
        await later(it, hours=37)
        assert reminded(it) == [1]
        again = make_engine(
            it.engine.settings, environ={}, clock=it.watch, company=it.engine.company, registry=installed()
        )
        await again.reminders.start_due()
        await again.reminders.wait()
        assert reminded(it) == [1]
        await later(it, hours=12)
        assert reminded(it) == [1, 2]
        await again.close()
        await later(it, hours=23)
        assert reminded(it) == [1, 2]
        await later(it, hours=2)
        assert reminded(it) == [1, 2, 3]


async def test_no_one_is_reminded_of_a_finished_post_mortem(tmp_path: Path) -> None:
    """The person who completed it has said so before the deadline."""
    async with scene(tmp_path, vintstreet(), broken(), ALERT) as it:
        await it.past_detection()
        it.engine.people.resolve(it.incident_id, "the test ends it", person_for(it.incident.open_asks[0].ask))
        for _ in range(3):
            await it.to(Phase.REVIEW)
            (ask,) = [one.ask for one in it.incident.open_asks]
            say_yes(it.engine, it.simulated.world, ask)
        await later(it, hours=60)
        assert reminded(it) == []


def reminded(it: Scene) -> list[int]:
    """Return the levels of the reminders of the document."""
    return [one.reminder.level for one in it.incident.reminders.get("post-mortem:document", [])]
