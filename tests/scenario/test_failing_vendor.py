"""A vendor refuses every message: people read one line for the cause, with what to do, and not one for each message."""

from __future__ import annotations

from pathlib import Path

from allclear.domain.records import By
from allclear.domain.runbook import Phase
from allclear.domain.timeline import timeline
from allclear.engine.doctor import NOT_SENT
from allclear.reports.base import Reader
from allclear.reports.incidents import IncidentList
from tests.scenario.notice_support import fault, later, notified
from tests.scenario.response_support import ALERT, broken
from tests.scenario.scenes import Scene, scene

ANA = By(actor="Ana", role="on_call", via="cli")


def listed(it: Scene) -> list[str]:
    """Return the lines under the list of incidents about what was not sent."""
    text = IncidentList(width=400).show(it.engine, Reader()).text
    return [line for line in text.splitlines() if line.startswith("NOT SENT")]


async def test_one_line_for_a_vendor_that_refuses_every_message(tmp_path: Path) -> None:
    """The timeline, the list of incidents and the doctor count; it is over when the messages got through."""
    async with scene(tmp_path, notified(), broken(), ALERT) as it:
        await it.to(Phase.DETECT)
        await later(it)
        assert listed(it) == []
        fault(it, "slack", "*", "permission_denied", times=1000)
        it.engine.people.severity(it.incident_id, "P1", "Only some pay by card.", ANA)
        await later(it, minutes=2)
        await later(it, minutes=5)
        (line,) = listed(it)
        assert line.startswith("NOT SENT: Slack ")
        assert "of 1 incident, last tried at " in line
        assert line.endswith("Test it: allclear doctor")
        (report,) = it.engine.doctor.not_sent([it.incident])
        assert (report.system, report.failed) == (NOT_SENT, True)
        shown = timeline(it.engine.journal.entries(it.incident_id), it.engine.company.plan, incident=it.incident)
        (failed,) = [one.text for one in shown if one.text.startswith(("Not possible", "Failed"))]
        assert "For the same reason 1 other message has failed" in failed
        it.simulated.world.faults.clear()
        await later(it, rounds=20, minutes=20)
        assert listed(it) == []
