"""What became of an approved change, as the responder and the journal show it alike."""

from __future__ import annotations

import asyncio
from typing import Any, cast

import pytest

from allclear.cli.answering import follow, what_follows
from allclear.cli.send import Sender
from allclear.commands.questions import IncidentNow

ASK = "VS-1/contain/roll-back"
CHECKING = "Checking whether the incident is contained: 20 requests to shop (GET /)."


def seen(  # noqa: PLR0913 - what a test sets
    *,
    settled: bool,
    asked: bool = False,
    act: str = "contain/roll-back",
    status: str = "verified",
    ended: bool = False,
    measure: bool = True,
    checking: str = "",
) -> IncidentNow:
    """Return an incident as `GET /incidents/{id}` has it."""
    shown = {
        "id": act,
        "title": "Roll back",
        "change": "",
        "proposed_by": "allclear",
        "reason": "",
        "asks": [ASK],
        "status": status,
        "ended": settled or ended,
        "good": settled,
        "sentence": "",
        "next_step": "",
        "settled": settled,
        "measure": measure,
    }
    question: dict[str, Any] = {
        "id": ASK,
        "kind": "approval",
        "title": "",
        "asked": "",
        "words": ["approve", "deny"],
        "commands": [f"allclear approve {ASK}", f"allclear deny {ASK}"],
        "acts_at": None,
    }
    asks = [question | {"since": "2026-11-22T03:00:00Z"}] if asked else []
    contained = "2026-11-22T03:00:00Z" if settled else None
    fields = {"acts": [shown], "open_asks": asks, "contained_at": contained, "checking": checking}
    return IncidentNow.model_validate(fields)


class Shows:
    """Shows an incident as it changes; the last view stays."""

    def __init__(self, *views: IncidentNow) -> None:
        self.views = list(views)

    async def incident(self, incident: str) -> IncidentNow:
        """Return the next view."""
        assert incident == "VS-1"
        return self.views.pop(0) if len(self.views) > 1 else self.views[0]


def test_the_outcome_of_an_approved_change_is_waited_for() -> None:
    """It is asked for until it and the check after it are there, and no longer than the patience."""
    said = list[str]()

    def followed(patience: float, *views: IncidentNow) -> tuple[bool, bool]:
        act = views[0].approved_by(ASK)
        assert act is not None
        to = cast("Sender", cast("Any", Shows(*views)))
        now, act = asyncio.run(follow(to, "VS-1", act, patience, pause=0, say=said.append))
        return act.settled, now.contained_at is not None

    assert followed(60, seen(settled=False), seen(settled=False), seen(settled=True)) == (True, True)
    assert followed(0, seen(settled=False)) == (False, False)
    assert said == []
    checked = seen(settled=False, ended=True, checking=CHECKING)
    assert followed(60, seen(settled=False, checking="another"), checked, checked, seen(settled=True)) == (True, True)
    assert said == [CHECKING]  # once, and not before the change is made


@pytest.mark.parametrize(
    ("now", "lines"),
    [
        (seen(settled=True), ["VS-1 is contained."]),
        (seen(settled=True, measure=False, checking=CHECKING, asked=True), [CHECKING]),
        (seen(settled=True, measure=False, asked=True), ["Asked now:", f"    allclear approve {ASK}"]),
        (seen(settled=True, measure=False), ["What comes next: allclear show VS-1"]),
        (seen(settled=False), ["It has no outcome yet. Follow it: allclear show VS-1"]),
    ],
)
def test_after_an_act_people_read_what_it_did_or_what_comes_next(now: IncidentNow, lines: list[str]) -> None:
    """Only a measure is followed by whether the incident is contained: of an update it would be old news."""
    assert what_follows("VS-1", now, now.acts[0]) == lines


@pytest.mark.parametrize(
    "now",
    [
        seen(settled=False, asked=True),
        seen(settled=True, act="manual/x"),
        seen(settled=False, status="rejected"),
    ],
)
def test_nothing_is_waited_for_without_an_act_to_come(now: IncidentNow) -> None:
    """More people must approve, the act by hand was carried out before the answer, or it was denied."""
    assert now.approved_by(ASK) is None
    assert now.approved_by("VS-1/contain/other") is None
