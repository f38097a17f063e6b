"""An incident that becomes private later: what was published before is listed, and nothing has its title any more."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import replace
from io import StringIO
from pathlib import Path
from typing import Any

import icalendar
import pytest
from rich.console import Console

from allclear.commands.assess import Assess
from allclear.commands.base import Command
from allclear.commands.choices import invited
from allclear.commands.inputs import FormContext
from allclear.commands.meetings import CancelMeeting, InvitePeople, MoveMeeting
from allclear.company import Company
from allclear.domain.action import ActStatus
from allclear.domain.errors import AnswerLost, Refused
from allclear.domain.plan import Contact
from allclear.domain.records import ActIntended, By
from allclear.domain.runbook import Phase
from allclear.engine.actions.executor import LEASE
from allclear.engine.actions.proposals import ActionRequest
from allclear.engine.people.declare import Declaration
from allclear.reports.incident_summary import show
from allclear.simulator.mailbox import Mail
from tests.contract.simulator_support import quick
from tests.scenario.private_support import READER, private_if_security
from tests.scenario.response_support import ALERT, MACHINE, person_for
from tests.scenario.scenes import Scene, scene

CANARY = "canary-4711"
ANA = By(actor="Ana", role="on_call", via="cli")
LEAK = Assess(kind="security", reason="a table was copied")
MOVE = MoveMeeting(start="2026-11-25 14:00", reason="Ben is away")


def company() -> Company:
    """Return the company whose security incidents only Ben may read, with the people's e-mail addresses."""
    plain = private_if_security()
    people = [
        one.model_copy(
            update={"contacts": one.contacts | {"email": Contact(address=f"{one.name.lower()}@example.com")}}
        )
        if one.name in {"Ben", "Cleo"}
        else one
        for one in plain.plan.people
    ]
    return replace(plain, plan=plain.plan.model_copy(update={"people": people}))


@asynccontextmanager
async def declared(folder: Path) -> AsyncGenerator[Scene]:
    """Yield an incident with the canary in its title, which is verified; its alert and its ticket have the title."""
    async with scene(folder, company(), quick("healthy"), ALERT, one_clock=True) as it:
        it.engine.people.false_alarm(it.incident_id, "Ana declares it herself.", ANA)
        it.incident_id = it.engine.people.declare(
            Declaration(CANARY, "P0", "storefront", "bad-deployment"), ANA
        ).incident
        await it.to(Phase.DETECT)
        for state in it.incident.open_asks:
            it.engine.people.answer(state.ask.id, person_for(state.ask), yes=False, reason="Users write to us.")
        await it.to(Phase.DETECT)
        await it.engine.reminders.start_due()
        await it.engine.reminders.wait()
        yield it


async def test_who_makes_an_incident_private_reads_what_was_published_before(tmp_path: Path) -> None:
    """The ticket with its address, and how many messages; also in the summary, as long as the incident is private."""
    async with declared(tmp_path) as it:
        assert it.simulated.world.github is not None
        [issue] = it.simulated.world.github.issues
        assert CANARY in issue.title
        sentence = await LEAK.carry_out(it.engine, it.incident_id, READER)
        assert f"Published before {it.incident_id} became private, and still there: " in sentence
        assert f"github.issue: #{issue.number} " in sentence
        assert f"/issues/{issue.number}" in sentence
        assert "slack.post: 2 messages (Alert the team" in sentence
        assert CANARY not in sentence
        assert "Change or delete by hand" in " ".join(summary(it).split())
        assert "Published" not in await LEAK.carry_out(it.engine, it.incident_id, READER)  # it was private before
        await Assess(kind="outage").carry_out(it.engine, it.incident_id, READER)
        assert "Change or delete by hand" not in " ".join(summary(it).split())


async def test_the_meeting_of_an_incident_that_became_private_is_moved_and_cancelled_without_its_title(
    tmp_path: Path,
) -> None:
    """In the e-mail, in its subject and in the calendar."""
    async with declared(tmp_path) as it:
        await invite(it, "ben@example.com")
        mails = it.simulated.world.mails
        assert CANARY in mails[-1].invitation
        sent = len(mails)
        await LEAK.carry_out(it.engine, it.incident_id, READER)
        await MOVE.carry_out(it.engine, it.incident_id, READER)
        await CancelMeeting(reason="Ben is away").carry_out(it.engine, it.incident_id, READER)
        moved, cancelled = mails[sent:]
        assert "METHOD:CANCEL" in cancelled.invitation
        for mail in (moved, cancelled):
            assert it.incident_id in str(mail.message["Subject"])
            assert "is private. Read and answer it" in mail.text
            assert CANARY not in str(mail.message["Subject"]) + mail.text + mail.invitation


async def test_who_may_not_read_it_any_more_gets_the_cancellation_of_a_moved_meeting(tmp_path: Path) -> None:
    """Cleo's calendar takes the meeting out, and learns neither the new time nor the title; Ben's moves it."""
    async with declared(tmp_path) as it:
        await invite(it, "ben@example.com", "cleo@example.com")
        mails = it.simulated.world.mails
        sent = len(mails)
        await LEAK.carry_out(it.engine, it.incident_id, READER)
        effect = await MOVE.effect(it.engine, it.incident, READER, {"start": MOVE.start})
        assert "not any more: cleo@example.com" in str(effect)
        await MOVE.carry_out(it.engine, it.incident_id, READER)
        moved, off = mails[sent:]
        assert (moved.recipients, off.recipients) == (("ben@example.com",), ("cleo@example.com",))
        old, now, gone = (event(mail) for mail in (mails[sent - 1], moved, off))
        assert (now["method"], gone["method"]) == ("REQUEST", "CANCEL")
        assert (now["attendees"], gone["attendees"]) == (["mailto:ben@example.com"], ["mailto:cleo@example.com"])
        assert old["uid"] == now["uid"] == gone["uid"]
        assert old["sequence"] < gone["sequence"]
        assert gone["status"] == "None"  # the others meet
        assert CANARY not in str(off.message["Subject"]) + off.text + off.invitation


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (InvitePeople(remove="cleo@example.com"), "dora@example.com"),
        (InvitePeople(remove="Cleo"), "dora@example.com"),
        (MOVE, "cleo@example.com and dora@example.com"),
    ],
)
async def test_who_changes_a_private_meeting_reads_whom_it_takes_off_the_list(
    tmp_path: Path, change: Command, named: str
) -> None:
    """Not only the person who was to be taken off: all who may not read the incident. The form marks them before."""
    async with declared(tmp_path) as it:
        await invite(it, "ben@example.com", "cleo@example.com", "dora@example.com")
        assert not any("may not read" in label for label in invited_labels(it))
        await LEAK.carry_out(it.engine, it.incident_id, READER)
        off = f": may not read {it.incident_id}, and is taken off the list by any change"
        assert invited_labels(it) == [
            "Ben (ben@example.com)",
            f"Cleo (cleo@example.com){off}",
            f"dora@example.com{off}",
        ]
        by, sent = READER.model_copy(update={"request": "ben:1"}), len(it.simulated.world.mails)
        said = [await change.carry_out(it.engine, it.incident_id, by) for _ in range(2)]
        because = f"because {it.incident_id} is private and they may not read it"
        assert said[0].endswith(f" Taken off the list, {because}: {named}.")
        assert said[1] == said[0]
        cancelled = it.simulated.world.mails[-1]
        assert event(cancelled)["method"] == "CANCEL"
        assert len(it.simulated.world.mails) == sent + 2


def invited_labels(it: Scene) -> list[str]:
    """Return the labels of those who are invited, as the form of the meeting's people lists them."""
    return [one.label for one in invited(FormContext(it.engine, it.incident))]


async def test_a_meeting_is_not_moved_for_people_who_may_not_read_it_any_more(tmp_path: Path) -> None:
    """Someone who may read it is invited first; then the others are taken off the list."""
    async with declared(tmp_path) as it:
        await invite(it, "cleo@example.com")
        sent = len(it.simulated.world.mails)
        await LEAK.carry_out(it.engine, it.incident_id, READER)
        with pytest.raises(Refused, match="No one would be invited any more who may read"):
            await MOVE.carry_out(it.engine, it.incident_id, READER)
        assert len(it.simulated.world.mails) == sent
        said = await InvitePeople(add="Ben").carry_out(it.engine, it.incident_id, READER)
        assert said.endswith("is private and they may not read it: cleo@example.com.")
        to_ben, to_cleo = (event(mail)["method"] for mail in it.simulated.world.mails[sent:])
        assert (to_ben, to_cleo) == ("REQUEST", "CANCEL")


@pytest.mark.parametrize("interrupted", [False, True])
async def test_a_message_that_was_written_before_is_not_sent_any_more(tmp_path: Path, *, interrupted: bool) -> None:
    """A runbook writes it anew. Of one that was interrupted it is not known whether it was sent."""
    async with declared(tmp_path) as it:
        params = {"incident": f"{it.incident_id}-again", "summary": f"[SIMULATED] {CANARY}"}
        page = ActionRequest(Phase.CONTAIN.value, "page", "pagerduty.page", params, "Page", authorised=True)
        act = await it.engine.proposer.propose(it.incident, page, MACHINE)
        before = pages(it)
        if interrupted:
            proposed = it.incident.acts[act].proposed
            intent = ActIntended(act=act, digest=proposed.digest or "", change=proposed.change or {}, holder="x")
            it.engine.journal.claim(proposed.resource or "", it.incident_id, act, LEASE, intent, MACHINE)
            it.watch.now += 2 * LEASE
        await LEAK.carry_out(it.engine, it.incident_id, READER)
        outcome = await it.engine.executor.carry_out(it.incident_id, act, MACHINE)
        assert outcome.status is (ActStatus.INDETERMINATE if interrupted else ActStatus.FAILED)
        assert outcome.drifted is not interrupted
        assert f"{it.incident_id} has become private since" in outcome.sentence
        assert pages(it) == before


async def test_a_page_whose_answer_was_lost_is_not_sent_again_with_words_from_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The pager would recognise the key. It gets no old words again, and the record says that it may have them."""
    async with declared(tmp_path) as it:
        params = {"incident": f"{it.incident_id}-again", "summary": f"[SIMULATED] {CANARY}"}
        page = ActionRequest(Phase.CONTAIN.value, "page", "pagerduty.page", params, "Page", authorised=True)
        act = await it.engine.proposer.propose(it.incident, page, MACHINE)
        before = pages(it)

        async def lost(*_: Any, **__: Any) -> None:  # noqa: ANN401 - as the action
            monkeypatch.undo()
            await LEAK.carry_out(it.engine, it.incident_id, READER)
            raise AnswerLost("No answer came.", "Read it.")

        monkeypatch.setattr(it.engine.executor.action("pagerduty.page"), "apply", lost)
        outcome = await it.engine.executor.carry_out(it.incident_id, act, MACHINE)
        assert outcome.status is ActStatus.INDETERMINATE
        assert f"It could not be sent again: {it.incident_id} has become private." in outcome.sentence
        assert pages(it) == before


async def invite(it: Scene, *people: str) -> None:
    """Invite people to the review's meeting, with the canary in its title and its text."""
    params = {
        "message": f"{it.incident_id}-review",
        "people": list(people),
        "subject": f"About {CANARY}",
        "text": f"We talk about {CANARY}.",
        "start": "2026-11-24T14:00:00Z",
    }
    request = ActionRequest(Phase.REVIEW.value, "invite", "calendar.invite", params, "Invite", authorised=True)
    act = await it.engine.proposer.propose(it.incident, request, MACHINE)
    await it.engine.executor.carry_out(it.incident_id, act, MACHINE)


def event(mail: Mail) -> dict[str, Any]:
    """Return what a calendar reads in an invitation."""
    parser: Any = icalendar.Calendar
    calendar = parser.from_ical(mail.invitation)
    [found] = calendar.walk("VEVENT")
    attendees = found.get("ATTENDEE", [])
    return {
        "method": str(calendar["METHOD"]),
        "uid": str(found["UID"]),
        "sequence": int(found["SEQUENCE"]),
        "status": str(found.get("STATUS")),
        "attendees": [str(one) for one in (attendees if isinstance(attendees, list) else [attendees])],
    }


def pages(it: Scene) -> list[str]:
    """Return the keys of the pages that the pager has."""
    return [page.dedup_key for page in it.simulated.world.pagerduty.pages]


def summary(it: Scene) -> str:
    """Return what `allclear show` prints."""
    entries, plan = it.engine.journal.entries(it.incident_id), it.engine.company.plan
    console = Console(width=400, file=StringIO())
    console.print(show(it.incident, entries, plan, it.watch.now), crop=False)
    assert isinstance(console.file, StringIO)
    return console.file.getvalue()
