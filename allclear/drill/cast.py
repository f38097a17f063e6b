"""The simulated people: they acknowledge, answer questions, deploy the fix, and write the post-mortem."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import timedelta

import httpx

from allclear.bootstrap import Engine
from allclear.domain.approval import Ask
from allclear.domain.base import person_key, utc_now
from allclear.domain.decisions import Decision, decision_for
from allclear.domain.errors import NotAllowed
from allclear.domain.incident import Incident
from allclear.domain.records import By
from allclear.drill.script import Line, Member, Script

AskedPerson = Callable[[Ask], Awaitable[tuple[By, Decision, str] | None]]
"""Asks the person at the terminal for a decision and its reason; None leaves the answer to the cast."""

_CHECKS = 0.1
"""Seconds between two reads of the journal."""


class Cast:
    """The people of a drill, who respond to one incident."""

    def __init__(self, script: Script, engine: Engine, control: str, person: AskedPerson | None = None) -> None:
        self._script = script
        self._engine = engine
        self._control = control
        self._person = person
        self._answering: dict[str, asyncio.Task[None]] = {}

    async def play(self, incident_id: str) -> None:
        """Act until the incident is over and reviewed. Raise the error of a member who fails."""
        try:
            await self._act(incident_id)
        finally:
            for task in self._answering.values():
                task.cancel()  # a drill that is stopped gets no more answers

    async def _act(self, incident_id: str) -> None:
        acknowledged = wrote = noted = False
        while True:
            incident = self._engine.conductor.incident(incident_id)
            for state in incident.open_asks:
                if state.ask.id not in self._answering:
                    self._answering[state.ask.id] = asyncio.create_task(self._answer(state.ask))
            for task in self._answering.values():
                if task.done():
                    task.result()
            if incident.paged_at and not acknowledged:
                acknowledged = await self._acknowledge(incident)
            if incident.contained and not noted:
                noted = self._note(incident_id)
            if "review" in incident.entered and not wrote:
                wrote = self._write(incident_id)
            if finished(incident):
                return
            await asyncio.sleep(_CHECKS)

    async def _acknowledge(self, incident: Incident) -> bool:
        member = next((one for one in self._script.people if one.acknowledges_after is not None), None)
        if member is None or member.acknowledges_after is None or incident.paged_at is None:
            return True
        if utc_now() - incident.paged_at < member.acknowledges_after:
            return False
        self._engine.people.acknowledge(incident.id, self._by(member))
        return True

    async def _answer(self, ask: Ask) -> None:
        """Answer `ask`. If it needs several people, they answer one after the other until it is closed."""
        for number in range(ask.policy.people):
            await self._answer_once(ask, number)
            state = self._engine.conductor.incident(ask.id.partition("/")[0]).asks[ask.id]
            if not state.open:
                return

    async def _answer_once(self, ask: Ask, number: int) -> None:
        line = self._line(ask, number)
        if self._person is not None and (given := await self._person(ask)) is not None:
            by, decision, reason = given
        else:
            member = self._member(ask, line, number)
            await asyncio.sleep((line.after or member.answers_after).total_seconds())
            by, decision, reason = self._by(member), _decision(ask, line), line.reason or "Looks right."
        if line.deploy is not None and decision.yes and not number:
            async with httpx.AsyncClient(base_url=self._control, timeout=60) as http:
                (await http.post("/deploy", json=line.deploy)).raise_for_status()
        try:
            self._engine.people.answer(decision.ask, by, yes=decision.yes, reason=reason, choice=decision.choice)
        except NotAllowed as error:
            if self._engine.people.question(ask.id).open:
                raise
            with suppress(NotAllowed):  # the incident has ended, which closed the question
                self._engine.people.note(ask.id.partition("/")[0], f"An answer came too late. {error.message}", by)

    def _line(self, ask: Ask, number: int) -> Line:
        """Return the line for answer `number`, from 0. The second of two people can have a line of their own."""
        place = f"{ask.phase}/{ask.step}"
        lines = [line for line in self._script.answers if line.ask == place]
        return lines[min(number, len(lines) - 1)] if lines else Line(ask=place)

    def _member(self, ask: Ask, line: Line, number: int) -> Member:
        """Return the member who answers: no one answers twice, required roles come first, and a stand-in comes last."""
        policy = ask.policy
        first = [line.by] if line.by and not number else []
        roles: list[str] = list(dict.fromkeys([*first, *policy.one_of, *policy.roles]))
        allowed = [member for role in roles for member in self._script.people if member.role == role]
        answers = self._engine.conductor.incident(ask.id.partition("/")[0]).asks[ask.id].answers
        answered = {person_key(answer.by.actor) for answer in answers}
        fresh = [member for member in allowed if person_key(self._by(member).actor) not in answered]
        if line.by and not number:
            fresh = [member for member in fresh if member.role == line.by] or fresh
        return fresh[0] if fresh else Member(name=f"Stand-in for {roles[0]}", role=roles[0])

    def _by(self, member: Member) -> By:
        holders = self._engine.company.plan.holders(member.role)
        return By(actor=holders[0].name if holders else member.name, role=member.role, via="drill")

    def _note(self, incident_id: str) -> bool:
        for role, text in self._script.notes.items():
            member = next((one for one in self._script.people if one.role == role), self._script.people[0])
            self._engine.people.note(incident_id, text, self._by(member), "timeline")
        return True

    def _write(self, incident_id: str) -> bool:
        scribe = self._by(self._script.people[-1])
        for field, text in self._script.words.items():
            self._engine.people.write_post_mortem(incident_id, field, text, scribe)
        for follow_up in self._script.follow_ups:
            due = utc_now() + timedelta(days=follow_up.in_days)
            self._engine.people.follow_up(incident_id, follow_up.text, follow_up.owner, due, scribe)
        return True


def _decision(ask: Ask, line: Line) -> Decision:
    """Return the decision that a line of the script makes: without `choose`, a choice is of the first candidate."""
    yes, no = ask.words
    choice = (line.choose or ask.choices[0].name) if ask.choices and line.yes else None
    return decision_for(ask, yes if line.yes else no, choice)


def finished(incident: Incident) -> bool:
    """Return whether the incident was a false alarm, or is resolved and reviewed."""
    if incident.ended is None:
        return False
    return incident.ended.ending == "false-alarm" or "review" in incident.left
