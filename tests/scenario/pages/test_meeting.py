"""The review's meeting on the incident's page: its forms, and the file that any calendar opens."""

from __future__ import annotations

import html
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import icalendar
import vobject

from allclear.domain.review.meeting import meeting_of
from allclear.engine.actions.manual import ManualRequest
from tests.scenario.pages.pages_support import Waiting, waiting
from tests.scenario.pages.test_command_forms import confirm, say, shown
from tests.scenario.response_support import person_for

TEAM = "engineering@vintstreet.com"


async def invite(at: Waiting) -> datetime:
    """Invite to a meeting tomorrow, and return when it begins."""
    start = (datetime.now(UTC) + timedelta(days=1)).replace(minute=0, second=0, microsecond=0)
    params = {"message": "VS-1-review", "people": [TEAM], "subject": "Review", "text": "x", "start": start.isoformat()}
    by = person_for(at.incident.open_asks[0].ask)
    await at.engine.manual.do(ManualRequest("calendar.invite", params, "We meet.", at.id), by)
    return start


async def test_the_meeting_is_moved_changed_and_cancelled_on_the_page(tmp_path: Path) -> None:
    """A field for day and time, with the time that it has now; the effect is shown before it is done."""
    async with waiting(tmp_path) as at, at.signed_in() as ana:
        for missing in ("move-meeting", "meeting-people", "cancel-meeting"):
            assert f'="/i/{at.id}/{missing}"' not in await ana.page()
        assert (await ana.http.get(f"/i/{at.id}/meeting.ics")).status_code == 404
        start = await invite(at)
        page = html.unescape(await ana.page())
        assert f"{start:%Y-%m-%d %H:%M} UTC, 60 minutes" in page
        form = await shown(ana, "move-meeting")
        assert f'type="datetime-local" value="{start:%Y-%m-%dT%H:%M}"' in form
        later = start + timedelta(hours=2)
        typed = f"{later:%Y-%m-%dT%H:%M}"
        effect = await shown(ana, "move-meeting", start=typed)
        assert f"Move the meeting “[SIMULATED] Review” to {later:%Y-%m-%d %H:%M} UTC: {TEAM}" in effect
        assert "The meeting is moved." in await confirm(ana, "move-meeting", "", start=typed)
        assert "The list is changed." in await say(ana, "meeting-people", add="eve@example.com", remove="")
        assert "The meeting is cancelled." in await confirm(ana, "cancel-meeting", "We have met already.")
        assert "is cancelled; it was planned for" in await ana.page()
        meeting = meeting_of(at.incident)
        assert meeting
        assert (meeting.start, meeting.cancelled, meeting.sequence) == (later, True, 3)


async def test_two_parsers_read_the_file_and_no_stranger_does(tmp_path: Path) -> None:
    """It is the meeting of the invitation, with the same UID, and names no one who is invited."""
    async with waiting(tmp_path) as at, at.signed_in() as ana:
        start = await invite(at)
        answer = await ana.http.get(f"/i/{at.id}/meeting.ics")
        assert answer.headers["content-type"].startswith("text/calendar")
        one: Any = icalendar.Calendar
        other: Any = vobject
        calendar, theirs = one.from_ical(answer.text), other.readOne(answer.text)
        [event] = calendar.walk("VEVENT")
        [mail] = [mail for mail in at.sim.world.mails if mail.invitation]
        [invited] = one.from_ical(mail.invitation).walk("VEVENT")
        assert str(calendar["METHOD"]) == theirs.method.value == "PUBLISH"
        assert event.decoded("DTSTART") == theirs.vevent.dtstart.value == start
        assert str(event["UID"]) == theirs.vevent.uid.value == str(invited["UID"])
        assert TEAM not in answer.text
        async with at.browser() as stranger:
            assert (await stranger.get(f"/i/{at.id}/meeting.ics")).status_code == 401
