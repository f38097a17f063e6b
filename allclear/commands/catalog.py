"""The commands, in the order in which the API lists them."""

from __future__ import annotations

from allclear.commands.answers import Answer
from allclear.commands.base import Command
from allclear.commands.in_place import Undo
from allclear.commands.notes import Decide, Note, Told
from allclear.commands.post_mortem import WritePostMortem
from allclear.commands.roles import Acknowledge, HandOver

COMMANDS: tuple[type[Command], ...] = (Answer, Acknowledge, HandOver, Note, Decide, Told, WritePostMortem, Undo)

BY_NAME: dict[str, type[Command]] = {command.name: command for command in COMMANDS}
