"""What is left in place can be closed as superseded, and every refusal names the command that works (B3)."""

from __future__ import annotations

import pytest

from allclear.domain.action import ActStatus
from allclear.domain.errors import AllclearError, Denied, MissingSecret, NotAllowed, NotFound, Refused, Unreachable
from allclear.domain.timeline import line_of
from allclear.engine.actions.ledger import Ledger
from allclear.engine.people.close import Closing
from allclear.engine.people.incident_writer import IncidentWriter
from tests.unit.domain.stories import MACHINE, plan
from tests.unit.fakes_actions import ANA, Desk, TurnDial, raising


async def turned(desk: Desk) -> tuple[str, str]:
    """Return an incident and an act of it that has turned the dial to 5."""
    incident = desk.opened()
    act = await desk.approved(incident, TurnDial, 5)
    assert (await desk.executor.carry_out(incident, act, MACHINE)).good
    return incident, act


async def test_the_circle_of_undo_and_resolve_has_a_way_out(desk: Desk) -> None:
    """Another person turned the dial: undo is refused, resolve is refused, and both name the command that works."""
    incident, act = await turned(desk)
    desk.dials.turn("main", 9)
    undo = await desk.undo_approved(incident, act)
    outcome = desk.act(incident, undo).outcome
    command = f"allclear supersede {incident} {act} --reason WHY"
    assert outcome is not None
    assert command in outcome.next_step
    closing = Closing(IncidentWriter(desk.journal, plan()))
    with pytest.raises(NotAllowed) as blocked:
        closing.resolve(incident, "all clear", ANA)
    assert command in blocked.value.next_step
    sentence = await Ledger(desk.journal, desk.executor, plan()).supersede(incident, act, "9 is the new normal", ANA)
    assert sentence == f"{act} of {incident} is closed as superseded. Nothing was changed."
    assert desk.act(incident, act).status is ActStatus.SUPERSEDED
    assert desk.incident(incident).in_place == []
    assert closing.resolve(incident, "all clear", ANA) == f"{incident} is resolved."
    assert desk.dials.points["main"] == 9


async def test_the_record_names_who_closed_it_and_why(desk: Desk) -> None:
    """The debt is not forgotten: it is closed by a person."""
    incident, act = await turned(desk)
    desk.dials.turn("main", 9)
    await Ledger(desk.journal, desk.executor, plan()).supersede(incident, act, "9 is the new normal", ANA)
    state = desk.incident(incident)
    line = line_of(desk.journal.entries(incident)[-1], state, plan())
    assert line.text.startswith("Ana")
    assert "closed what" in line.text
    assert "9 is the new normal" in line.text


async def test_a_change_that_is_still_as_it_was_left_is_undone_and_not_closed(desk: Desk) -> None:
    """The refusal names the undo."""
    incident, act = await turned(desk)
    with pytest.raises(Refused) as refused:
        await Ledger(desk.journal, desk.executor, plan()).supersede(incident, act, "we like it", ANA)
    assert refused.value.next_step == f"Undo it: allclear undo {incident} {act} --as NAME"
    assert [one.id for one in desk.incident(incident).in_place] == [act]


@pytest.mark.parametrize(
    "error",
    [
        Unreachable("The dials could not be reached.", "Check the network."),
        MissingSecret("The secret of dials is missing.", "Set DIALS."),
        Denied("The dials do not allow our key.", "Give it the permission."),
    ],
)
async def test_a_change_that_cannot_be_read_stays_open_because_it_may_still_be_in_place(
    desk: Desk, error: AllclearError
) -> None:
    """The incident does not end meanwhile, and the change is watched on."""
    incident, act = await turned(desk)
    desk.dials.at_check = [raising(error)]
    with pytest.raises(Refused, match="cannot be read") as refused:
        await Ledger(desk.journal, desk.executor, plan()).supersede(incident, act, "it is over", ANA)
    assert error.message in refused.value.message
    assert error.next_step in refused.value.next_step
    assert [one.id for one in desk.incident(incident).in_place] == [act]
    with pytest.raises(NotAllowed, match="while a change is in place"):
        Closing(IncidentWriter(desk.journal, plan())).resolve(incident, "all clear", ANA)
    desk.dials.turn("main", 9)
    await Ledger(desk.journal, desk.executor, plan()).supersede(incident, act, "9 is the new normal", ANA)
    assert desk.incident(incident).in_place == []


async def test_a_target_that_does_not_exist_any_more_can_be_closed_and_the_record_says_so(desk: Desk) -> None:
    """A service that is gone must not keep its incident open for ever."""
    incident, act = await turned(desk)
    desk.dials.at_check = [raising(NotFound("The dial is gone.", "Look for it."))]
    await Ledger(desk.journal, desk.executor, plan()).supersede(incident, act, "the dial was taken away", ANA)
    closed = desk.act(incident, act).superseded
    assert closed is not None
    assert closed.found == "gone: The dial is gone"


@pytest.mark.parametrize("reason", ["", "   "])
async def test_closing_needs_a_reason(desk: Desk, reason: str) -> None:
    """A blank one is none."""
    incident, act = await turned(desk)
    desk.dials.turn("main", 9)
    with pytest.raises(NotAllowed):
        await Ledger(desk.journal, desk.executor, plan()).supersede(incident, act, reason, ANA)
    assert desk.incident(incident).in_place


async def test_what_is_not_in_place_cannot_be_closed(desk: Desk) -> None:
    """An act that is unknown, or was undone, is refused with what there is."""
    incident, act = await turned(desk)
    ledger = Ledger(desk.journal, desk.executor, plan())
    with pytest.raises(NotFound, match="no act contain/other"):
        await ledger.supersede(incident, "contain/other", "why not", ANA)
    undo = await desk.undo_approved(incident, act)
    await desk.executor.carry_out(incident, undo, MACHINE)
    with pytest.raises(Refused, match="is in place"):
        await ledger.supersede(incident, act, "why not", ANA)
