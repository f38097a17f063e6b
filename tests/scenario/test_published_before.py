"""An incident that becomes private later: what was published before is listed, and nothing has its title any more."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from allclear.commands.assess import Assess
from allclear.commands.meetings import CancelMeeting, MoveMeeting
from allclear.domain.action import ActStatus
from allclear.domain.records import ActIntended, By
from allclear.domain.runbook import Phase
from allclear.engine.actions.executor import LEASE
from allclear.engine.actions.proposals import ActionRequest
from allclear.engine.people.declare import Declaration
from allclear.postmortem.incident_summary import show
from tests.contract.simulator_support import quick
from tests.scenario.private_support import READER, private_if_security
from tests.scenario.response_support import ALERT, MACHINE, person_for
from tests.scenario.scenes import Scene, scene

CANARY = "canary-4711"
ANA = By(actor="Ana", role="on_call", via="cli")
LEAK = Assess(kind="security", reason="a table was copied")


@asynccontextmanager
async def declared(folder: Path) -> AsyncGenerator[Scene]:
    """Yield an incident with the canary in its title, which is verified; its alert and its ticket have the title."""
    async with scene(folder, private_if_security(), quick("healthy"), ALERT, one_clock=True) as it:
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
        params = {
            "message": f"{it.incident_id}-review",
            "people": ["ben@example.com"],
            "subject": f"About {CANARY}",
            "text": f"We talk about {CANARY}.",
            "start": "2026-11-24T14:00:00Z",
        }
        invite = ActionRequest(Phase.REVIEW.value, "invite", "calendar.invite", params, "Invite", authorised=True)
        act = await it.engine.proposer.propose(it.incident, invite, MACHINE)
        await it.engine.executor.carry_out(it.incident_id, act, MACHINE)
        mails = it.simulated.world.mails
        assert CANARY in mails[-1].invitation
        sent = len(mails)
        await LEAK.carry_out(it.engine, it.incident_id, READER)
        await MoveMeeting(start="2026-11-25 14:00", reason="Ben is away").carry_out(it.engine, it.incident_id, READER)
        await CancelMeeting(reason="Ben is away").carry_out(it.engine, it.incident_id, READER)
        moved, cancelled = mails[sent:]
        assert "METHOD:CANCEL" in cancelled.invitation
        for mail in (moved, cancelled):
            assert it.incident_id in str(mail.message["Subject"])
            assert "is private. Read and answer it" in mail.text
            assert CANARY not in str(mail.message["Subject"]) + mail.text + mail.invitation


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
