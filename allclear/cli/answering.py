"""Which question an answer is for, and what became of the change that it approved."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

from allclear.cli.root import print_json, print_line
from allclear.cli.send import Sender
from allclear.commands.questions import ActView, IncidentNow, QuestionView
from allclear.domain.errors import NotAllowed, NotFound, Refused

PATIENCE = 120.0
"""Seconds to wait for an outcome and then for the check that proves containment. A rollout takes up to a minute."""

_POLL = 0.3

_NOT_YET = "No responder answers at ALLCLEAR_RESPONDER_URL, which carries out what is approved. Start it: allclear up"


async def find_question(to: Sender, word: str, given: str | None) -> QuestionView | None:
    """Return the question with the id `given`, or the only one that waits for `word`, of one incident or of all.

    None if `given` names one that does not wait. Raises NotFound if none waits, NotAllowed if several do.
    """
    incidents = [given.partition("/")[0]] if given else await to.waiting()
    asked = [question for incident in incidents for question in (await to.incident(incident)).open_asks]
    if given and "/" in given:
        return next((question for question in asked if question.id == given), None)
    fitting = [question for question in asked if word in question.words]
    if len(fitting) == 1:
        return fitting[0]
    where = f"in {given}" if given else "in any incident"
    others = "\n".join(f"    {question.command(word)}" for question in fitting or asked)
    if fitting:
        raise NotAllowed(f'{len(fitting)} questions {where} can be answered with "{word}".', f"Name one:\n{others}")
    nothing = f"Read on: allclear show {given}." if given else "List the incidents: allclear incidents."
    raise NotFound(f'No question {where} waits for "{word}".', f"Waiting:\n{others}" if asked else nothing)


async def print_outcome(to: Sender, ask: str, sentence: str, *, as_json: bool = False) -> None:
    """Wait for the outcome of the change that `ask` has approved, if any, and print it. `sentence` is the answer's.

    Raises Refused if the change was not done.
    """
    incident = ask.partition("/")[0]
    now = await to.incident(incident)
    act = now.approved_by(ask)
    if act is not None:
        patience = PATIENCE if to.has_responder() else 0
        if not as_json:
            print_line(f"Waiting for its outcome, {PATIENCE / 60:.0f} minutes at most …" if patience else _NOT_YET)
        now, act = await follow(to, incident, act, patience, say=None if as_json else print_line)
    if as_json:
        known = {"contained": now.contained_at is not None, "sentences": act.told} if act else {}
        outcome = act.model_dump(mode="json") if act and act.ended else None
        print_json({"ask": ask, "answer": sentence, "act": act.id if act else None, "outcome": outcome, **known})
    elif act:
        for told in act.told:
            print_line(told)
        for line in what_follows(incident, now, act):
            print_line(line)
    if act and act.ended and not act.good:
        raise Refused(f"{act.id}: {act.sentence}", act.next_step or f"Read on: allclear show {incident}.")


def what_follows(incident: str, now: IncidentNow, act: ActView) -> list[str]:
    """Return the lines that follow an outcome.

    For a measure they say whether the incident is contained; otherwise what comes next.
    """
    if not act.ended:
        return [f"It has no outcome yet. Follow it: allclear show {incident}"]
    if act.measure and act.settled:
        return [f"{incident} is {'not contained' if now.contained_at is None else 'contained'}."]
    if now.checking:
        return [now.checking]
    if now.open_asks:
        return ["Asked now:", *(f"    {question.command(question.words[0])}" for question in now.open_asks)]
    return [f"What comes next: allclear show {incident}"]


async def follow(
    to: Sender,
    incident: str,
    act: ActView,
    patience: float,
    *,
    pause: float = _POLL,
    say: Callable[[str], None] | None = None,
) -> tuple[IncidentNow, ActView]:
    """Return the incident and the act once its outcome and the check after it are there, `patience` seconds at most.

    `say` is called once, with the check that is waited for. `pause` is the time between two reads, in seconds.
    """
    end, told = time.monotonic() + patience, False
    while True:
        now = await to.incident(incident)
        act = next(one for one in now.acts if one.id == act.id)
        if act.settled or time.monotonic() >= end:
            return now, act
        if say and act.ended and now.checking and not told:
            say(now.checking)
            told = True
        await asyncio.sleep(pause)
