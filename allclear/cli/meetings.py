"""Commands for the review's meeting: move it, cancel it, and change who is invited."""

from __future__ import annotations

from typing import Annotated

import typer

from allclear.cli.root import RESPOND, As, IncidentId, Reason, Role, app
from allclear.cli.send import give
from allclear.commands.meetings import CancelMeeting, InvitePeople, MoveMeeting


@app.command("move-meeting", rich_help_panel=RESPOND)
def move_meeting(
    incident: IncidentId,
    start: Annotated[
        str, typer.Argument(metavar="TIME", help="When it begins, as '2026-11-30 14:00' in the plan's time zone.")
    ],
    reason: Reason = "",
    name: As = None,
    role: Role = None,
) -> None:
    """Move the review's meeting. A time outside the one that the plan sets needs a reason."""
    give(MoveMeeting(start=start, reason=reason), incident, name, role)


@app.command("cancel-meeting", rich_help_panel=RESPOND)
def cancel_meeting(incident: IncidentId, reason: Reason = "", name: As = None, role: Role = None) -> None:
    """Cancel the review's meeting. An e-mail takes it out of calendars, or the message in the channel says so."""
    give(CancelMeeting(reason=reason), incident, name, role)


@app.command("meeting-people", rich_help_panel=RESPOND)
def meeting_people(
    incident: IncidentId,
    add: Annotated[
        str, typer.Option(metavar="WHO", help="A person or mailing list of the plan, or an e-mail address.")
    ] = "",
    remove: Annotated[str, typer.Option(metavar="WHO", help="Who is not invited any more.")] = "",
    name: As = None,
    role: Role = None,
) -> None:
    """Invite a further person or list to the review's meeting, or take one off."""
    give(InvitePeople(add=add, remove=remove), incident, name, role)
