"""While an incident is held, no order of events clears an act that no person has approved or started."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from allclear.domain.approval import ApprovalPolicy, Ask, AskKind
from allclear.domain.approved_change import Clearance, clearance
from allclear.domain.records import (
    GENESIS,
    PROGRAM,
    ActIntended,
    ActProposed,
    AskAnswered,
    AskOpened,
    AskWithdrawn,
    By,
    Entry,
    HoldEnded,
    HoldStarted,
    IncidentOpened,
    VetoWindowEnded,
)
from allclear.domain.replay import replay

START = datetime(2026, 11, 22, 3, 0, tzinfo=UTC)
MACHINE = By(actor="allclear", via="window")
ANA = By(actor="Ana", role="on_call", via="cli")
ROBOT = By(actor="night-watch", role=PROGRAM, via="api")
OPENED = IncidentOpened(
    company="vintstreet", title="x", severity="P1", service="s", runbook="r", reported="declared by Ana"
)
ACTS = ("asked", "unasked", "by-hand")


def proposed(act: str) -> list[tuple[By, Any]]:
    """Return the entries that propose an act, with its question if it has one."""
    record = ActProposed(act=act, phase="contain", step=act, action="a.b", title=act, params={}, change={}, digest="d")
    if act != "asked":
        return [(ANA if act == "by-hand" else MACHINE, record)]
    ask = Ask(
        id="VS-1/contain/asked",
        kind=AskKind.APPROVAL,
        phase="contain",
        step=act,
        title="x",
        text="x",
        yes="x",
        no="x",
        policy=ApprovalPolicy(roles=["on_call"]),
        act=act,
        digest="d",
    )
    return [(MACHINE, record), (MACHINE, AskOpened(ask=ask))]


ASK = "VS-1/contain/asked"
EVENTS: list[tuple[By, Any]] = [
    (ANA, AskAnswered(ask=ASK, yes=True)),
    (ANA, AskAnswered(ask=ASK, yes=False)),
    (ROBOT, AskAnswered(ask=ASK, yes=True)),
    (MACHINE, VetoWindowEnded(ask=ASK)),
    (MACHINE, AskWithdrawn(ask=ASK, reason="x")),
    (ANA, HoldStarted(reason="x")),
    (ANA, HoldEnded()),
]


@given(st.lists(st.sampled_from([*EVENTS, *ACTS]), max_size=12))
def test_while_it_is_held_no_act_begins_without_a_person(events: list[Any]) -> None:
    """Whatever was answered, ended, held and released before, an act may begin only with a person behind it."""
    written: list[tuple[By, Any]] = [(MACHINE, OPENED), *(entry for act in ACTS for entry in proposed(act))]
    approved = False
    for event in events:
        if isinstance(event, str):
            incident = replay(entries(written))
            assert incident is not None
            act = incident.acts[event]
            cleared = clearance(incident, act)
            if incident.held and not act.begun:
                assert (cleared is Clearance.HELD) == (event == "unasked" or _granted_by_a_window(incident, event))
                assert not cleared.may_go_ahead or event == "by-hand" or approved
            if cleared.may_go_ahead and not act.begun:
                written.append((MACHINE, ActIntended(act=event, digest="d", change={}, holder="h")))
        else:
            written.append(event)
            approved = approved or (event[0] is ANA and getattr(event[1], "yes", False))


def _granted_by_a_window(incident: Any, act: str) -> bool:  # noqa: ANN401 - the replayed incident
    return act == "asked" and incident.asks[ASK].granted and not incident.asks[ASK].granted_by_people


def entries(written: list[tuple[By, Any]]) -> list[Entry]:
    """Return the entries of a record, a second apart."""
    return [
        Entry(
            incident="VS-1",
            number=number,
            at=START + timedelta(seconds=number),
            by=by,
            record=record,
            previous_hash=GENESIS,
            hash=str(number),
        )
        for number, (by, record) in enumerate(written, start=1)
    ]
