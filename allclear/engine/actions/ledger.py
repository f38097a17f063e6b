"""The ledger: what acts left in place. An entry is undone, handed over, or closed as superseded by a named person."""

from __future__ import annotations

from allclear.domain.act import Act
from allclear.domain.errors import AllclearError, NotAllowed, NotFound, Refused
from allclear.domain.incident import Incident
from allclear.domain.plan import Plan
from allclear.domain.records import By, LedgerSuperseded
from allclear.domain.text import signature
from allclear.engine.actions.executor import Executor
from allclear.engine.people.incident_writer import IncidentWriter, required_text
from allclear.journal.ports import Journal


def act_in(incident: Incident, act_id: str) -> Act:
    """Return an act of an incident. Raises NotFound, which says what is in place."""
    if act_id not in incident.acts:
        known = ", ".join(other.id for other in incident.in_place) or "nothing"
        raise NotFound(f"There is no act {act_id} in {incident.id}.", f"Still in place: {known}.")
    return incident.acts[act_id]


def nothing_in_place(act: Act, to_do: str) -> Refused:
    """Return the error that an act left nothing to undo or to close: `to_do`."""
    return Refused(
        f"Nothing of {act.id} is in place ({act.status.value}).", f"There is nothing to {to_do}: allclear in-place"
    )


class Ledger:
    """Closes what is left in place without undoing it."""

    def __init__(self, journal: Journal, executor: Executor, plan: Plan) -> None:
        self._writer = IncidentWriter(journal, plan)
        self._executor = executor
        self._plan = plan

    async def supersede(self, incident_id: str, act_id: str, reason: str, by: By) -> str:
        """Close what `act_id` left in place as superseded, and return a sentence for the person.

        For a change that the world has moved on from, so that its undo is refused. Raises Refused while the change is
        still as the act left it or cannot be read, NotAllowed without a reason, NotFound.
        """
        done = f"{act_id} of {incident_id} is closed as superseded. Nothing was changed."
        if by.request and by.request in self._writer.read(incident_id).requests:
            return done
        reason = required_text(reason, "reason")
        found = await self.found(incident_id, act_id)
        record = LedgerSuperseded(act=act_id, reason=reason, found=found)
        self._writer.append(incident_id, by, lambda _: [record])
        return done

    async def found(self, incident_id: str, act_id: str) -> str:
        """Return what the target of an act is now, in words, if its change can be closed. Raises as `supersede`."""
        return await self._found(incident_id, self._in_place(incident_id, act_id))

    def _in_place(self, incident_id: str, act_id: str) -> Act:
        act = act_in(self._writer.read(incident_id), act_id)
        if act.begun:
            raise NotAllowed(
                f"{act_id} of {incident_id} is being carried out.", f"Wait for it: allclear show {incident_id}"
            )
        if not act.in_place:
            raise nothing_in_place(act, "close")
        return act

    async def _found(self, incident_id: str, act: Act) -> str:
        """Return what the target is now, in words.

        Raises Refused if it is still as the act left it, and if it cannot be read: it may be.
        """
        try:
            loaded = self._executor.load(act)
            now = await loaded.action.observe_result(loaded.params)
        except NotFound as error:  # nothing can be in place in what does not exist
            return f"gone: {error.message.rstrip('.')}"
        except AllclearError as error:
            raise Refused(
                f"{act.id} stays open: it cannot be read whether its change is still in place. {error.message}",
                f"{error.next_step} Then close it again; until then allclear goes on checking it.",
            ) from error
        if loaded.action.target_reached(loaded.change, now):
            raise Refused(
                f"{act.id} is still in place as it was left: {now.in_words() or loaded.change.summary}.",
                f"Undo it: allclear undo {incident_id} {act.id} {signature(self._plan)}",
            )
        return now.in_words()
