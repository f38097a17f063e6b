"""What all commands have in common."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Literal, TypeVar

from pydantic import BaseModel, ValidationError

from allclear.domain.base import Model
from allclear.domain.errors import ConfigError, NotAllowed
from allclear.domain.incident import Incident
from allclear.domain.notify.published import published_before
from allclear.domain.privacy import is_private, require_reader
from allclear.domain.records import By
from allclear.domain.text import plain

if TYPE_CHECKING:
    from allclear.bootstrap import Engine
    from allclear.commands.effects import Effect

Section = Literal["incident", "roles", "notes", "meeting", "follow_ups", "none"]
"""A part of the incident's page that holds forms."""


M = TypeVar("M", bound=BaseModel)


class Command(Model, ABC):
    """One thing that a person does in an incident. Its fields are what the person says."""

    name: ClassVar[str]
    """The last part of its route, as `note` in `POST /incidents/VS-12/note`."""
    title: ClassVar[str]
    """What it does, in a few words: the summary of its route, and the words on its button."""
    of_incident: ClassVar[bool] = True
    """Whether it belongs to one incident, which its route names."""
    for_programs: ClassVar[bool] = False
    """Whether a program may send it, too. Only proposals are."""
    needs_reader: ClassVar[bool] = True
    """Whether only its readers may do it in a private incident: everything but to say that one knows of it."""
    typed: ClassVar[tuple[str, ...] | None] = None
    """The fields that are typed in a chat, as `/incident hold VS-3 REASON`, in their order; the last one has the rest.

    None: it is not typed, because people must see something before they send it."""
    may_make_private: ClassVar[bool] = False
    """Whether it can make an incident private: the person then reads what was published before."""
    section: ClassVar[Section] = "incident"
    """Where the incident's page offers its form; `none` if the page has another place for it, as a question's card."""
    confirm: ClassVar[str] = ""
    """The words on its button, if a person is shown first what it would do (`effect`); empty if it is done at once."""
    after_end: ClassVar[bool] = False
    """Whether people may send it after the incident has ended."""
    asked_before: ClassVar[tuple[str, ...]] = ()
    """The fields on which `effect` depends: a form asks for them before it, one after the other."""

    @classmethod
    def offered(cls, incident: Incident) -> bool:
        """Return whether it makes sense now, so that a form offers it."""
        return cls.after_end or not incident.over

    @classmethod
    async def effect(cls, engine: Engine, incident: Incident, by: By, known: Mapping[str, str]) -> Effect | None:  # noqa: ARG003 - the port
        """Return what it would do now, or None if its title says it all. Writes nothing.

        `known` holds the fields that were asked before. Raises AllclearError if it would be refused.
        """
        return None

    async def carry_out(self, engine: Engine, incident: str, by: By) -> str:
        """Do it, and return a sentence for the person.

        A command that is sent again with the same `by.request` does nothing more; one with the key of another request
        is refused, also if there is nothing to do. Raises NotFound, NotAllowed, Refused, ConfigError, VendorError and
        JournalError, each with the next step.
        """
        if by.program and not self.for_programs:
            raise NotAllowed(
                f"{by.actor} is a program, and only a person may do this: {self.title.lower()}.",
                "Ask a person, or propose an action: POST /incidents/{id}/proposals.",
            )
        engine.journal.check_request(by.request)
        if self.of_incident and self.needs_reader:
            require_reader(engine.company.plan, engine.conductor.incident(incident), by)
        if not self.may_make_private or is_private(engine.company.plan, engine.conductor.incident(incident)):
            return await self._do(engine, incident, by)
        sentence = await self._do(engine, incident, by)
        published = published_before(engine.company.plan, engine.conductor.incident(incident))
        return " ".join(filter(None, [sentence, published]))

    @abstractmethod
    async def _do(self, engine: Engine, incident: str, by: By) -> str:
        """Do it: see `carry_out`."""


def read_fields(model: type[M], said: Any) -> M:  # noqa: ANN401 - JSON
    """Return the model that has these fields. Raises ConfigError, which names the first field that does not fit."""
    try:
        return model.model_validate(said)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        field = ".".join(plain(str(part), 60) for part in first["loc"]) or "the whole"
        fields = ", ".join(one.alias or name for name, one in model.model_fields.items()) or "none"
        raise ConfigError(
            f"What was sent does not fit: {field}: {plain(first['msg'], 200).rstrip('.')}.", f"Its fields: {fields}."
        ) from error
