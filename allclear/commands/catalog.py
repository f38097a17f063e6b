"""The commands, in the order in which the API lists them."""

from __future__ import annotations

from allclear.commands.acts import Act, Propose, Supersede
from allclear.commands.answers import Answer
from allclear.commands.assess import Assess, ChangeSeverity
from allclear.commands.base import Command
from allclear.commands.close import FalseAlarm, Resolve
from allclear.commands.company import Declare, RevokeLinks, TakeOver
from allclear.commands.hold import Hold, Release
from allclear.commands.meetings import CancelMeeting, InvitePeople, MoveMeeting
from allclear.commands.notes import Decide, FollowUp, FollowUpDone, Note, Told
from allclear.commands.post_mortem import WritePostMortem
from allclear.commands.roles import Acknowledge, HandOver, TakeRole
from allclear.commands.undo import Undo

COMMANDS: tuple[type[Command], ...] = (
    Answer,
    Acknowledge,
    HandOver,
    TakeRole,
    Note,
    Decide,
    Told,
    ChangeSeverity,
    Assess,
    Hold,
    Release,
    Propose,
    Undo,
    Supersede,
    Resolve,
    FalseAlarm,
    WritePostMortem,
    MoveMeeting,
    InvitePeople,
    CancelMeeting,
    FollowUp,
    FollowUpDone,
)
"""The commands of one incident."""

COMPANY_COMMANDS: tuple[type[Command], ...] = (Declare, Act, TakeOver, RevokeLinks)
"""The commands whose route names no incident."""

PAGE_COMMANDS: tuple[type[Command], ...] = (Act, *COMMANDS)
"""The commands that the incident's page sends: an action by hand then belongs to this incident."""

BY_NAME: dict[str, type[Command]] = {command.name: command for command in (*COMMANDS, *COMPANY_COMMANDS)}
