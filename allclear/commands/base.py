"""What all commands have in common."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, ClassVar

from allclear.domain.base import Model
from allclear.domain.errors import NotAllowed
from allclear.domain.privacy import require_reader
from allclear.domain.proof import Proof
from allclear.domain.records import By

if TYPE_CHECKING:
    from allclear.bootstrap import Engine


class Command(Model, ABC):
    """One thing that a person does in an incident. Its fields are what the person says."""

    name: ClassVar[str]
    """The last part of its route, as `note` in `POST /incidents/VS-12/note`."""
    title: ClassVar[str]
    """What it does, in a few words: the summary of its route, and the words on its button."""
    of_incident: ClassVar[bool] = True
    """Whether it belongs to one incident, which its route names."""
    for_programs: ClassVar[bool] = False
    """Whether a program may send it as well. A program never decides, so that almost nothing is for programs."""

    async def carry_out(self, engine: Engine, incident: str, by: By) -> str:
        """Do it, and return a sentence for the person.

        A command that is sent again with the same `by.request` does nothing more. Raises NotFound, NotAllowed, Refused,
        ConfigError, VendorError and JournalError, each with the next step.
        """
        if by.program and not self.for_programs:
            raise NotAllowed(
                f"{by.actor} is a program, and only a person may do this: {self.title.lower()}.",
                "Ask a person, or propose an action: POST /incidents/{id}/proposals.",
            )
        if self.of_incident and by.proof is not Proof.CLAIMED:
            require_reader(engine.company.plan, engine.conductor.incident(incident), by.actor)
        return await self._do(engine, incident, by)

    @abstractmethod
    async def _do(self, engine: Engine, incident: str, by: By) -> str:
        """Do it: see `carry_out`."""
