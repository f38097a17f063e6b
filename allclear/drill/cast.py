"""The simulated people: they acknowledge, answer questions, deploy the fix, and write the post-mortem."""

from __future__ import annotations

import asyncio
import re
from contextlib import suppress
from datetime import timedelta
from typing import Protocol

import httpx

from allclear.bootstrap import Engine
from allclear.domain.approval import Ask, AskKind
from allclear.domain.base import person_key, utc_now
from allclear.domain.decisions import Decision, decision_for
from allclear.domain.errors import NotAllowed, WrongState
from allclear.domain.incident import Incident
from allclear.domain.records import By
from allclear.drill.script import LAST_GOOD, Line, Member, Script
from allclear.trusted_certificates import trusted_certificates


class Person(Protocol):
    """The person at the terminal, who plays one member of the cast."""

    async def begin(self, who: str, others: list[str], questions: int) -> None:
        """Learn who the person is, which people are simulated, and how many questions the script has for the person."""
        ...

    async def acknowledge(self, incident: Incident) -> None:
        """Return when the person acknowledges the incident, after the page."""
        ...

    async def decide(self, ask: Ask) -> tuple[Decision, str]:
        """Return the person's decision and its reason."""
        ...


TERMINAL = "terminal"
"""The channel of the person at the terminal, as the record names it."""

_PROPOSAL = re.compile(r"~\d+")
"""The number of a later proposal of the same act, within the name of a question about it."""
_ASKED = re.compile(r"~(\d+)$")
"""How often a question was asked, at the end of its id: the second one ends in `~2`."""
_TRIES = 20
"""How often the cast tries again what the script has no line for: then it goes on, as people would."""
_CHECKS = 0.1
"""Seconds between two reads of the journal."""


class Cast:
    """The people of a drill, who respond to one incident."""

    def __init__(self, script: Script, engine: Engine, control: str, person: Person | None = None) -> None:
        self._script = script
        self._engine = engine
        self._control = control
        self._person = person
        self._played = _played(script) if person else []
        self._acknowledging: asyncio.Task[None] | None = None
        self._answering: dict[str, asyncio.Task[None]] = {}

    async def play(self, incident_id: str) -> None:
        """Act until the incident is over and reviewed. Raise the error of a member who fails."""
        try:
            await self._begin()
            await self._act(incident_id)
        finally:
            for task in (*self._answering.values(), self._acknowledging):
                if task:
                    task.cancel()  # a drill that is stopped gets no more answers

    async def _begin(self) -> None:
        """Tell the person at the terminal who that person is."""
        if self._person is None:
            return
        plan, roles = self._engine.company.plan, {member.role for member in self._played}
        titles = ", ".join(plan.role_title(member.role) for member in self._played)
        others = [
            f"{self._by(member).actor} ({plan.role_title(member.role)})"
            for member in self._script.people
            if member.role not in roles
        ]
        own = sum(line.by in roles for line in self._script.answers)
        await self._person.begin(f"{self._by(self._played[0]).actor} ({titles})", others, own)

    async def _act(self, incident_id: str) -> None:
        acknowledged = wrote = noted = False
        incident = self._engine.conductor.incident(incident_id)
        while True:
            incident = self._now(incident)
            for state in incident.open_asks:
                if state.ask.id not in self._answering:
                    self._answering[state.ask.id] = asyncio.create_task(self._answer(state.ask))
            for task in (*self._answering.values(), self._acknowledging):
                if task and task.done():
                    task.result()
            if incident.paged_at and not acknowledged:
                acknowledged = await self._acknowledge(incident)
            if incident.contained and not noted and not self._diverged(incident):
                noted = self._note(incident_id)
            if "review" in incident.entered and not wrote:
                wrote = self._write(incident_id)
            if finished(incident):
                return
            await asyncio.sleep(_CHECKS)

    def _now(self, incident: Incident) -> Incident:
        """Return the incident as it is now; the whole record is read and replayed only if it has grown."""
        grown = self._engine.journal.entries(incident.id, after=incident.length)
        return self._engine.conductor.incident(incident.id) if grown else incident

    async def _acknowledge(self, incident: Incident) -> bool:
        member = next((one for one in self._script.people if one.acknowledges_after is not None), None)
        if member is None or member.acknowledges_after is None or incident.paged_at is None:
            return True
        if self._person is not None and member in self._played:
            self._acknowledging = asyncio.create_task(self._person_acknowledges(self._person, incident, member))
            return True
        if utc_now() - incident.paged_at < member.acknowledges_after:
            return False
        self._engine.people.acknowledge(incident.id, self._by(member))
        return True

    async def _person_acknowledges(self, person: Person, incident: Incident, member: Member) -> None:
        await person.acknowledge(incident)
        if self._engine.conductor.incident(incident.id).acknowledged is None:  # an answer acknowledges, too
            self._engine.people.acknowledge(incident.id, self._by(member, via=TERMINAL))

    async def _answer(self, ask: Ask) -> None:
        """Answer `ask`. If it needs several people, they answer one after the other until it is closed."""
        for number in range(ask.policy.people):
            await self._answer_once(ask, number)
            state = self._engine.conductor.incident(ask.id.partition("/")[0]).asks[ask.id]
            if not state.open:
                return

    async def _answer_once(self, ask: Ask, number: int) -> None:
        line = self.line_for(ask, number)
        played = None if number else self._asked_of_person(ask, line)
        if self._person is not None and played is not None:
            decision, reason = await self._person.decide(ask)
            by = self._by(played, via=TERMINAL)
        else:
            member = self._member(ask, line, number)
            await asyncio.sleep((line.after or member.answers_after).total_seconds())
            await self._acknowledged_first(ask, member)
            by, reason = self._by(member), line.reason or "Looks right."
            decision = _decision(ask, line, self._last_good(ask))
        if decision.yes and not number:
            await self._change_production(line)
        try:
            self._engine.people.answer(decision.ask, by, yes=decision.yes, reason=reason, choice=decision.choice)
        except WrongState as error:  # the question was answered, or is no longer asked
            with suppress(NotAllowed):  # the incident has ended, which closed the question
                self._engine.people.note(ask.id.partition("/")[0], f"An answer came too late. {error.message}", by)

    async def _change_production(self, line: Line) -> None:
        """Do in the simulated production what the member has done before answering."""
        if line.deploy is None and not line.restart_database:
            return
        async with httpx.AsyncClient(base_url=self._control, timeout=60, verify=trusted_certificates()) as http:
            if line.deploy is not None:
                (await http.post("/deploy", json=line.deploy)).raise_for_status()
            if line.restart_database:
                (await http.post("/database/restart")).raise_for_status()

    def _last_good(self, ask: Ask) -> str:
        """Return the second before the trouble began, as a person would type it."""
        incident = self._engine.conductor.incident(ask.id.partition("/")[0])
        began = incident.began_at or incident.opened_at
        return f"{began - timedelta(seconds=1):%Y-%m-%d %H:%M:%S} UTC"

    def _asked_of_person(self, ask: Ask, line: Line) -> Member | None:
        """Return the role in which the person at the terminal is asked; None if the cast answers.

        That is decided by the script's line for the question, or else by the first role that is asked.
        """
        may = list(dict.fromkeys([*ask.policy.roles, *ask.policy.one_of]))
        mine = {member.role: member for member in self._played}
        first = line.by or next(iter(may))
        return next((mine[role] for role in may if role in mine), None) if first in mine else None

    async def _acknowledged_first(self, ask: Ask, member: Member) -> None:
        """Wait until the member has acknowledged the page, if that member is to: people answer the page first."""
        if not any(one.name == member.name and one.acknowledges_after is not None for one in self._script.people):
            return
        incident_id = ask.id.partition("/")[0]
        while True:
            incident = self._engine.conductor.incident(incident_id)
            if incident.paged_at is None or incident.acknowledged_at is not None:
                return
            await asyncio.sleep(_CHECKS)

    def _diverged(self, incident: Incident) -> bool:
        """Return whether the person at the terminal decided otherwise than the script, so that its texts are untrue."""
        return any(
            answer.by.via == TERMINAL and answer.yes != self.line_for(state.ask, 0).yes
            for state in incident.asks.values()
            for answer in state.answers
        )

    def line_for(self, ask: Ask, number: int) -> Line:
        """Return the line for answer `number`, from 0. The second of two people can have a line of their own.

        A script does not know how often an act was proposed: the undo of its second proposal is the undo of the act.
        """
        place = _PROPOSAL.sub("", f"{ask.phase}/{ask.step}")
        lines = [line for line in self._script.answers if line.ask == place]
        if lines:
            return lines[min(number, len(lines) - 1)]
        asked = _ASKED.search(ask.id)
        if ask.kind is AskKind.RETRY and asked and int(asked[1]) > _TRIES:
            return Line(ask=place, yes=False, reason=f"It did not help {_TRIES} times.")
        return Line(ask=place)

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

    def _by(self, member: Member, via: str = "drill") -> By:
        holders = self._engine.company.plan.holders(member.role)
        return By(actor=holders[0].name if holders else member.name, role=member.role, via=via)

    def _note(self, incident_id: str) -> bool:
        for role, text in self._script.notes.items():
            member = next((one for one in self._script.people if one.role == role), self._script.people[0])
            self._engine.people.note(incident_id, text, self._by(member), "timeline")
        return True

    def _write(self, incident_id: str) -> bool:
        scribe = self._by(self._script.people[-1])
        written = {} if self._diverged(self._engine.conductor.incident(incident_id)) else self._script.words
        for field, text in written.items():
            self._engine.people.write_post_mortem(incident_id, field, text, scribe)
        for follow_up in self._script.follow_ups:
            due = utc_now() + timedelta(days=follow_up.in_days)
            self._engine.people.follow_up(incident_id, follow_up.text, follow_up.owner, due, scribe)
        return True


def _played(script: Script) -> list[Member]:
    """Return the member whom the person at the terminal plays, in each of that member's roles: who is paged, first."""
    paged = next((one for one in script.people if one.acknowledges_after is not None), script.people[0])
    return [one for one in script.people if one.name == paged.name]


def _decision(ask: Ask, line: Line, last_good: str) -> Decision:
    """Return the decision that a line of the script makes: without `choose`, a choice is of the first candidate.

    `last_good` is what `LAST_GOOD` stands for.
    """
    yes, no = ask.words
    first = ask.choices[0].name if ask.choices else None
    chosen = last_good if line.choose == LAST_GOOD else line.choose or first
    choice = chosen if line.yes else None
    return decision_for(ask, yes if line.yes else no, choice)


def finished(incident: Incident) -> bool:
    """Return whether the incident is resolved and reviewed, or has ended without being resolved."""
    if incident.ended is None:
        return False
    return incident.ended.ending != "resolved" or "review" in incident.left
